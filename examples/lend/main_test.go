package main

func Example() {
	main()
	// Output:
	// web-1 on n1
	// web-2 on n2
	// batch-1 on n2
	// batch-2 on n2
	// batch-3 on n1
	// batch-4 on n1
	// batch-5 on n1
	// 0/2 nodes for batch-6: 2 insufficient revocable.cpu; nearest n1: lacks 1 revocable.cpu; 1 more revocable.cpu on n1 would do
	// n1 is over by revocable.cpu 2: ends batch-5, batch-4
	// shop has cpu 16 and lab revocable.cpu 3
}
