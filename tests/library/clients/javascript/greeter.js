// What generated modules would hold, of a `FileDescriptorSet`.

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** The service, and `google.rpc.Status`, in which gRPC has the details of errors. */
export function described(descriptorSet) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  return {
    service: registry.getService("greeter_service.v1.Greeter"),
    status: registry.getMessage("google.rpc.Status"),
  };
}
