package main

func Example() {
	main()
	// Output:
	// 6 of 12 nodes could take web-2:
	//   1. n3: 0 = preferences 0; 393216 = in-use() 393216
	//   2. n1: 0 = preferences 0; 196608 = in-use() 196608
	//   3. n7: 0 = preferences 0; 196608 = in-use() 196608
	//   4. n8: 0 = preferences 0; 131071 = in-use() 131071
	//   5. n2: 0 = preferences 0; 131071 = in-use() 131071
	//   n0: unique(node.id) (n0 has web-1)
	//   n10: cordoned, refused by zone in ("a", "b") (zone is "c")
	//   n11: refused by zone in ("a", "b") (zone is "c")
	//   n4: untolerated taint dedicated=ci
	//   n6: lacks 1 cpu
	//   n9: lacks 1 cpu
	// without batch-1: n6
}
