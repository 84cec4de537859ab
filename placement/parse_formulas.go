package placement

import (
	"slices"

	"github.com/berth-sched/berth/internal/lex"
)

// formulas are those that a text may name.
var formulas = []*formula{
	leastAllocated, mostAllocated, requestedToCapacity, balancedAllocation, nomadBinPack, nomadSpread, dotProduct, tetris, l1Norm, l2Norm,
}

// formulaOf returns the formula of a word, or nil.
func formulaOf(word string) *formula {
	if i := slices.IndexFunc(formulas, func(f *formula) bool { return f.word == word }); i >= 0 {
		return formulas[i]
	}
	return nil
}

// formula reads what stands in the parentheses of a formula: resources with their weights and what counts as one, and a shape.
func (p *parser) formula(f *formula) (Term, error) {
	if err := p.want('('); err != nil {
		return Term{}, err
	}
	var names []string
	var weights, per []int64
	p.Space()
	for more := p.Peek() != ')' && p.Peek() != ';'; more; more = p.at(',') {
		weight := int64(1)
		if p.Space(); lex.IsDigit(p.Peek()) {
			n, err := p.integer()
			if err != nil {
				return Term{}, err
			}
			weight = n
		}
		name, _, err := p.name()
		if err != nil {
			return Term{}, err
		}
		names, weights = append(names, name), append(weights, weight)
		if p.says("per") {
			n, err := p.integer()
			if err != nil {
				return Term{}, err
			}
			per = append(per, n)
		}
	}
	var shape Shape
	if f.shaped {
		if err := p.want(';'); err != nil {
			return Term{}, err
		}
		var err error
		if shape, err = p.shape(); err != nil {
			return Term{}, err
		}
	}
	t := f.term(shape, names)
	if f.shaped {
		t = t.anyFault(shape.Err())
	}
	if slices.ContainsFunc(weights, func(w int64) bool { return w != 1 }) {
		t = t.Weights(weights...)
	}
	if per != nil {
		t = t.Per(per...)
	}
	return t, p.want(')')
}

// shape reads points: "0 to 0, 100 to 10".
func (p *parser) shape() (shape Shape, err error) {
	for more := true; more; more = p.at(',') {
		var point ShapePoint
		if point.Utilization, err = p.integer(); err != nil {
			return nil, err
		}
		if err := p.wantWord("to"); err != nil {
			return nil, err
		}
		if point.Score, err = p.integer(); err != nil {
			return nil, err
		}
		shape = append(shape, point)
	}
	return shape, nil
}
