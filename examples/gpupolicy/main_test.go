package main

func Example() {
	main()
	// Output:
	// binpack(gpu)
	//   serve-1 n1 gpu/0:300
	//   serve-2 n1 gpu/0:300
	//   serve-3 n1 gpu/0:300
	//   serve-4 n1 gpu/1:300
	//   serve-5 n1 gpu/1:300
	//   serve-6 n1 gpu/1:300
	//   serve-7 n2 gpu/0:300
	//   0/3 nodes for train-1: 2 no free device for 2 gpu (A100), 1 no device for 2 gpu (A100); nearest n1: no free device for 2 gpu (A100) (0 of 2 free); room for 2 gpu (A100) on n1 would do
	//   0/3 nodes for train-2: 2 no free device for 2 gpu (A100), 1 no device for 2 gpu (A100); nearest n1: no free device for 2 gpu (A100) (0 of 2 free); room for 2 gpu (A100) on n1 would do
	// whole, then in-use(gpu)
	//   serve-1 n2 gpu/1:300
	//   serve-2 n2 gpu/1:300
	//   serve-3 n2 gpu/1:300
	//   serve-4 n3 gpu/0:300
	//   serve-5 n3 gpu/0:300
	//   serve-6 n3 gpu/0:300
	//   serve-7 n3 gpu/1:300
	//   train-1 n1 gpu/0:1000|gpu/1:1000
	//   train-2 n2 gpu/0:1000|gpu/2:1000
}
