package main

func Example() {
	main()
	// Output:
	// web-1 on n1
	// web-2 on n3
	// 0/3 nodes for web-3: 3 unique(zone); nearest n1: unique(zone) (zone=a has web-1); a node in another domain of unique(zone) would do
}
