package extender

import (
	"strings"
	"unicode/utf8"

	"github.com/berth-sched/berth"
)

const (
	// mostText is how many bytes a text has that reaches users.
	mostText = 512
	// mostReason is how many bytes the reasons of one node have. kube-scheduler counts nodes by equal texts and joins all texts in one event.
	mostReason = 160
	// mostReasons is how many different texts an answer has; what is beyond is told as otherReasons.
	mostReasons  = 24
	otherReasons = "berth: other reasons"
)

// short cuts a text to so many bytes, at a character.
func short(text string, most int) string {
	if len(text) <= most {
		return strings.ToValidUTF8(text, "?")
	}
	cut := most - len("...")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strings.ToValidUTF8(text[:cut], "?") + "..."
}

// texts makes the texts of an answer: nodes that fail alike have one text, and there are not too many.
type texts struct {
	known map[string]string
}

// of returns why a node cannot take a pod, in a text without numbers, so that nodes are counted by it.
func (t *texts) of(lacks []berth.Lack) string {
	if len(lacks) == 1 && lacks[0].Reason.Code == berth.UnknownNode {
		return t.add("berth does not know the node yet") // its name would make each node's text another
	}
	var b strings.Builder
	for i := range lacks {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(lacks[i].Reason.String())
	}
	return t.add(b.String())
}

func (t *texts) add(text string) string {
	if have, ok := t.known[text]; ok {
		return have
	}
	if t.known == nil {
		t.known = map[string]string{}
	}
	out := otherReasons
	if len(t.known) < mostReasons {
		out = short(text, mostReason)
	}
	t.known[text] = out
	return out
}
