// A bare grpc-go server on the loopback port that the first argument names.
package main

import (
	"log"
	"net"
	"os"

	"bench/servicer"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(servicer.NewServer().Serve(listener))
}
