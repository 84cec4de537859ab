package main

// The same tasks, the same five machines, in both modes: what differs is who saw what.
func Example() {
	main()
	// Output:
	// global state
	//   agent@n1 on n1
	//   agent@n2 on n2
	//   agent@n3 on n3
	//   agent@n4 on n4
	//   0/1 nodes for agent@n5: 1 too little cpu in all; nearest n5: lacks 0.25 cpu (it has 0.25 in all); 0.25 more cpu on n5 would do
	//   web-1 on n4
	//   web-2 on n1
	//   train-1 on n1
	//   train-2 on n2
	//   train-3 on n3
	//   0/5 nodes for train-4: 3 insufficient cpu, 2 too little cpu in all; nearest n2: lacks 0.5 cpu; 0.5 more cpu on n2 would do
	//   coverage of agent: 4 running, 0 pending, 0 blocked, 1 impossible, 0 not eligible; n5: lacks 0.25 cpu (it has 0.25 in all)
	//   dominant shares: ops 1/7 of cpu; shop 1/7 of cpu; research 3/7 of cpu
	// offers
	//   agent@n1 on n1
	//   agent@n2 on n2
	//   agent@n3 on n3
	//   agent@n4 on n4
	//   0/1 nodes for agent@n5: 1 too little cpu in all, 1 not offered; nearest n5: lacks 0.5 cpu (it has 0.25 in all), not offered
	//   web-1 on n1
	//   web-2 on n3
	//   train-1 on n1
	//   train-2 on n2
	//   train-3 on n3
	//   0/5 nodes for train-4: 3 insufficient cpu, 3 insufficient memory, 2 too little cpu in all, 2 not offered; nearest n1: lacks 2 cpu, lacks 4 GiB memory; 2 more cpu and 4 GiB more memory on n1 would do
	//   coverage of agent: 4 running, 0 pending, 0 blocked, 1 impossible, 0 not eligible; n5: lacks 0.25 cpu (it has 0.25 in all)
	//   dominant shares: ops 1/7 of cpu; shop 1/7 of cpu; research 3/7 of cpu
}
