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

// unknownText has no name in it, which would make each node's text another.
const unknownText = "berth does not know the node yet"

// texts makes the texts of an answer: nodes that fail alike have one text, and there are not too many.
type texts struct {
	known  map[string]string
	recent [8]struct { // lists that were met lately, for there are few that differ
		lacks []berth.Lack
		text  string
	}
	next int
}

// of returns why a node cannot take a pod, in a text without numbers, so that nodes are counted by it.
func (t *texts) of(lacks []berth.Lack) string {
	for i := range t.recent {
		if r := &t.recent[i]; r.text != "" && readAlike(r.lacks, lacks) {
			return r.text
		}
	}
	text := unknownText
	if len(lacks) != 1 || lacks[0].Reason.Code != berth.UnknownNode {
		var b strings.Builder
		for i := range lacks {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(lacks[i].Reason.String())
		}
		text = b.String()
	}
	text = t.add(text)
	t.recent[t.next].lacks, t.recent[t.next].text = lacks, text
	t.next = (t.next + 1) % len(t.recent)
	return text
}

// readAlike reports whether lists have the same text.
func readAlike(a, b []berth.Lack) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	if &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i].Reason != b[i].Reason || a[i].Reason.Code == berth.UnknownNode {
			return false
		}
	}
	return true
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
