package main

func Example() {
	main()
	// Output:
	// web-1 from n01 to n10
	// web-2 stays on n02: insufficient cpu
	// web-3 from n09 to n09
	// web-4 from n05 to n05
	// web-5 from n11 to n11
	// web-6 from n04 to n04
	// web-7 from n08 to n08
	// web-8 from n06 to n06
	// web-9 from n07 to n07
	// web-10 from n03 to n03
	// 1 of version 1, 9 of version 2
}
