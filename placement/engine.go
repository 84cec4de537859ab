package placement

// NewEngine returns the picker that keeps indexes.
func NewEngine(s Strategy) Picker { return NewExhaustive(s) }
