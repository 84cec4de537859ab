package allocator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// Standing is where a role stands in an order, at one moment: why it has its turn, or why not yet.
type Standing struct {
	Role berth.Role `json:"role"`
	// Ranks are the role and those above it, each among its siblings, the highest first; none for the root that has no others below it
	// waiting. The role has its turn before everybody else if nobody is before it in any of them.
	Ranks []Rank `json:"ranks,omitempty"`
	// Full are the limits, of the role and of those above it, that leave nothing of their resource.
	Full []berth.Lack `json:"full,omitempty"`
	// Lacks is what the role has less than is guaranteed to it.
	Lacks berth.Resources `json:"lacks,omitempty"`
}

// Rank is where a role stands among its siblings that wait.
type Rank struct {
	Role berth.Role `json:"role"`
	// Own is whether it is about what the role has by itself, beside the roles below it.
	Own   bool  `json:"own,omitempty"`
	Share Share `json:"share"`
	Owed  bool  `json:"owed,omitempty"` // it, or one below it that waits, has less than is guaranteed to it
	// Before is how many siblings have their turn before it, of so many that wait, itself among them.
	Before int `json:"before"`
	Of     int `json:"of"`
	// First is the one whose turn it is, with what it has; the role itself where that is so.
	First      berth.Role `json:"first"`
	FirstShare Share      `json:"firstShare"`
}

// Standing says where a role stands, as if it waited, among those that do. It fails with all faults of the tree and of the roles. It takes
// as long as Begin.
func (t Tree) Standing(l Ledger, waiting []berth.Role, role berth.Role) (*Standing, error) {
	errs := []error{t.Err()}
	for _, r := range append(slices.Clone(waiting), role) {
		if err := checkRole(r); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("allocator: standing: %w", err)
	}
	all := append(slices.Clone(waiting), role)
	slices.Sort(all)
	r := t.Begin(l, slices.Compact(all)).(*treeRound)
	s := &Standing{Role: role, Lacks: berth.Resources{}}
	if l != nil {
		a := NewAccount(l)
		s.Lacks = a.Lacks(role)
		room := a.Room(role)
		more := berth.Resources{}
		for name, left := range room {
			if left == 0 {
				more[name] = 1
			}
		}
		s.Full = a.Over(role, more)
	}
	for b := r.byRole[role].turns; b.parent != nil; b = b.parent {
		p := b.parent
		rank := Rank{Role: b.sib.Role, Own: p.sib.Role == b.sib.Role, Share: b.sib.Share(), Owed: b.sib.Owed, Of: len(p.kids)}
		first := b
		for _, k := range p.kids {
			if k != b && p.compare(k, b) < 0 {
				rank.Before++
			}
			if p.compare(k, first) < 0 {
				first = k
			}
		}
		rank.First, rank.FirstShare = first.sib.Role, first.sib.Share()
		if only := rank.Of == 1 && rank.Own; !only {
			s.Ranks = append(s.Ranks, rank)
		}
	}
	slices.Reverse(s.Ranks)
	return s, nil
}

// Standing is [Tree.Standing] of the tree with these weights, whose order is that of f but for the grain.
func (f Fair) Standing(l Ledger, waiting []berth.Role, role berth.Role) (*Standing, error) {
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("allocator: standing: %w", err)
	}
	return Tree{Weights: f.Weights, Exclude: f.Exclude}.Standing(l, waiting, role)
}

// String prints it in a line, such as
//
//	eng/search: eng is 2 of 3 with 1/2 of cpu, after ops with 1/4 of cpu; eng/search is 1 of 2 with 0; over limit eng: cpu 8 (8 used); 2 cpu less than is guaranteed to it
func (s *Standing) String() string {
	if s == nil {
		return "nowhere"
	}
	var parts []string
	for _, r := range s.Ranks {
		part := fmt.Sprintf("%s is %d of %d with %v", name(r.Role, r.Own), r.Before+1, r.Of, r.Share)
		if r.Before > 0 {
			part += fmt.Sprintf(", after %s with %v", name(r.First, false), r.FirstShare)
		}
		parts = append(parts, part)
	}
	for _, x := range s.Full {
		parts = append(parts, x.String())
	}
	for n, q := range s.Lacks.All() {
		parts = append(parts, berth.FormatQuantity(n, q)+" "+n+" less than is guaranteed to it")
	}
	if len(parts) == 0 {
		parts = []string{"nobody else waits"}
	}
	return name(s.Role, false) + ": " + strings.Join(parts, "; ")
}

func name(r berth.Role, own bool) string {
	n := string(r)
	if r == "" {
		n = "the root"
	}
	if own {
		n += " by itself"
	}
	return n
}
