package adapter

import (
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// GrantAnnotation is the annotation of pods that says which devices and ports a pod has on its node, in the text of [berth.Grant]: such as
// "gpu/0:500" for half of the first device of class gpu. Who binds a pod writes it with the Binding, so that a device plugin can go by
// it, and so that a scheduler that starts anew knows what was given out.
const GrantAnnotation = "berth-sched.github.io/grant"

// RulesAnnotation is the annotation of pods that berth's own rules can be read from, see [Config].Rules: rules in the text of package
// constraints, one a line or with ";" between them, such as "max-per(rack, 2)".
const RulesAnnotation = "berth-sched.github.io/rules"

// annotated reads the rules of the annotation. One that cannot be read chooses no node, and says why.
func (r *reading) annotated() {
	text, ok := r.pod.Annotations[RulesAnnotation]
	if !ok || !r.config.Rules {
		return
	}
	field := "metadata.annotations." + RulesAnnotation
	for _, line := range split(text) {
		rule, err := constraints.Parse(line)
		if err == nil {
			err = berth.NewGroup("rule", berth.GroupSpec{Rules: []berth.Constraint{rule}}).Err()
		}
		if err != nil {
			r.left.add(field, "no node is chosen: %v", err)
			rule = constraints.Nowhere()
		}
		r.rule(rule)
	}
}

// split returns the rules of a text: what is between line breaks and semicolons that are not in quotes.
func split(text string) []string {
	var out []string
	quoted, from := false, 0
	add := func(to int) {
		if part := strings.TrimSpace(text[from:to]); part != "" {
			out = append(out, part)
		}
		from = to + 1
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == ';' || c == '\n') && !quoted:
			add(i)
		}
	}
	if from < len(text) {
		add(len(text))
	}
	return out
}
