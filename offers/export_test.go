package offers

// AskAnew makes the next pass ask everybody about every node, as if nothing were remembered of the passes before.
func (x *Exchange) AskAnew() {
	if x != nil && x.view != nil {
		x.askAnew()
	}
}
