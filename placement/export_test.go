package placement

// Sorted reports whether the engine has sorted columns, so that the next explanation is made of them.
func (e *Engine) Sorted() bool {
	for _, c := range e.explainer.columns.byDim {
		if c != nil {
			return true
		}
	}
	return false
}

// Check returns what is wrong with the parts of the engine.
func (e *Engine) Check() error { return e.check() }
