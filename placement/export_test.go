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

// Kept returns how many attributes tell classes apart, sets of rules have verdicts, and sets of domains are known.
func (e *Engine) Kept() (reads, verdicts, eligible int) {
	return len(e.classes.reads), len(e.classes.verdicts), len(e.counts.eligible)
}

// The bounds of Kept.
const (
	MaxReads    = maxReads
	MaxVerdicts = maxVerdicts
	MaxEligible = maxEligible
)

// Check returns what is wrong with the parts of the engine.
func (e *Engine) Check() error { return e.check() }
