// The script of the documentation page: fetches the document, with a token where one is asked for,
// and hands it to Swagger UI. The token stays in the memory of the page.
"use strict";

(() => {
  const form = document.getElementById("authorize");
  const token = document.getElementById("token");
  const notice = document.getElementById("notice");
  const address = new URL("../openapi.json", location.href).href;

  const say = (text) => {
    notice.textContent = text;
  };

  const ask = (text) => {
    form.hidden = false;
    say(text);
    token.focus();
  };

  const show = (spec, bearer) => {
    form.hidden = true;
    token.value = "";
    say("");
    const ui = SwaggerUIBundle({
      spec,
      dom_id: "#swagger-ui",
      deepLinking: true,
      showExtensions: true,
      showCommonExtensions: true,
      persistAuthorization: false,
      // Without this, Swagger UI has a public service check the document.
      validatorUrl: null,
      presets: [SwaggerUIBundle.presets.apis],
      onComplete: () => {
        for (const name of bearer ? bearerSchemes(spec) : []) {
          ui.preauthorizeApiKey(name, bearer);
        }
      },
    });
  };

  const bearerSchemes = (spec) =>
    Object.entries(spec.components?.securitySchemes ?? {})
      .filter(([, scheme]) => scheme.type === "http" && scheme.scheme === "bearer")
      .map(([name]) => name);

  const load = async (bearer) => {
    say("");
    let response;
    try {
      const headers = bearer ? { authorization: `Bearer ${bearer}` } : {};
      response = await fetch(address, { headers, cache: "no-store", credentials: "same-origin" });
    } catch (error) {
      // Also of a token with characters that no header may have.
      say("The document could not be fetched.");
      return;
    }
    if (response.status === 401) {
      ask(bearer ? "This token is not accepted." : "");
    } else if (response.ok) {
      show(await response.json(), bearer);
    } else {
      say(`The document could not be fetched: status ${response.status}.`);
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load(token.value.trim());
  });

  if (document.body.dataset.authorization === "bearer") {
    ask("");
  } else {
    load("");
  }
})();
