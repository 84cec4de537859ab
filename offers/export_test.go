package offers

// AskAnew makes the next pass ask everybody about every node, as if nothing were remembered of the passes before, and each
// demand by itself, however many others are alike.
func (x *Exchange) AskAnew() {
	if x != nil && x.view != nil {
		x.askAnew()
		x.classes = nil
		for _, s := range x.subs {
			for i := range s.wants {
				w := &s.wants[i]
				w.class = &class{group: w.group, wants: 1}
			}
		}
	}
}

// Awaited returns on how many nodes room is kept for the instance of a daemon.
func Awaited(x *Exchange) int { return len(x.awaited.sites) }
