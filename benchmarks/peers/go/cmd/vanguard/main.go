// A grpc-go server wrapped by vanguard's transcoder: REST in JSON on the port that the first argument names.
package main

import (
	"log"
	"net/http"
	"os"

	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/genproto/googleapis/api/annotations"

	"bench/servicer"
)

func rule(method, path string) *annotations.HttpRule {
	return &annotations.HttpRule{
		Selector: "bench.v1.Bench." + method,
		Pattern:  &annotations.HttpRule_Post{Post: "/grpc/benchservice/" + path},
		Body:     "*",
	}
}

func main() {
	rules := vanguard.WithRules(rule("Greet", "greet"), rule("Echo", "echo"))
	transcoder, err := vanguardgrpc.NewTranscoder(servicer.NewServer(), rules)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], transcoder))
}
