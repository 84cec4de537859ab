package main

func Example() {
	main()
	// Output:
	// shop has cpu 5
	// lab: place batch-1 on n1
	// lab: place batch-2 on n1
	// lab: place batch-3 on n1
	// lab: 5 unplaced; 0/1 nodes for batch-4: 1 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do
	// shop is offered cpu 5
	// shop: place db-1 on n1
}
