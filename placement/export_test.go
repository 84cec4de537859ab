package placement

// Sorted reports whether the engine has sorted columns, so that the next explanation is made of them.
func (e *Engine) Sorted() bool {
	for _, c := range e.sorted.columns {
		if c != nil {
			return true
		}
	}
	return false
}
