// Package servicer answers the RPCs of bench.proto as peers/servicer.py does.
package servicer

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	pb "bench/stubs"
)

// Bench does next to nothing, so that what is measured is the way to it and back.
type Bench struct {
	pb.UnimplementedBenchServer
}

// Greet answers the small message.
func (Bench) Greet(_ context.Context, request *pb.GreetRequest) (*pb.GreetResponse, error) {
	return &pb.GreetResponse{Message: "Hello, " + request.GetName() + "!"}, nil
}

// Echo answers the order as it came.
func (Bench) Echo(_ context.Context, request *pb.Order) (*pb.Order, error) {
	return request, nil
}

// Watch answers small messages, one after the other.
func (Bench) Watch(request *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	for number := range request.GetCount() {
		if number > 0 && request.GetPauseMs() > 0 {
			time.Sleep(time.Duration(request.GetPauseMs()) * time.Millisecond)
		}
		message := fmt.Sprintf("Hello, %s! (%d)", request.GetName(), number)
		if err := stream.Send(&pb.WatchResponse{Message: message}); err != nil {
			return err
		}
	}
	return nil
}

// NewServer makes a gRPC server with the servicer and nothing else.
func NewServer() *grpc.Server {
	server := grpc.NewServer()
	pb.RegisterBenchServer(server, Bench{})
	return server
}
