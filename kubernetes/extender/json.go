package extender

import (
	"bytes"
	"encoding/json"
	"strconv"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// What filter and prioritize read and write is mostly names of nodes, thousands of them. So these are read and written here, byte for byte as
// encoding/json does; whatever else there is, and what is out of the ordinary, is left to it.

// verdicts is the answer of filter.
type verdicts struct {
	fit                  []string
	failed, unresolvable []nodeText // each in the order of nodes
}

// priorities is the answer of prioritize: hosts with their scores, in runs.
type priorities struct {
	hosts []string
	runs  []run
}

// appender is an answer that writes itself.
type appender interface{ appendJSON(b []byte) []byte }

// appendJSON writes an extenderv1.ExtenderFilterResult.
func (v *verdicts) appendJSON(b []byte) []byte {
	b = append(b, `{"Nodes":null,"NodeNames":[`...)
	for i, name := range v.fit {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
	}
	b = append(b, `],"FailedNodes":`...)
	b = appendTexts(b, v.failed)
	b = append(b, `,"FailedAndUnresolvableNodes":`...)
	b = appendTexts(b, v.unresolvable)
	return append(b, `,"Error":""}`...)
}

func appendTexts(b []byte, texts []nodeText) []byte {
	if len(texts) == 0 {
		return append(b, "null"...)
	}
	b = append(b, '{')
	var last string
	var quoted []byte
	for i, t := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, t.node), ':')
		if i == 0 || t.text != last {
			last, quoted = t.text, appendString(quoted[:0], t.text)
		}
		b = append(b, quoted...)
	}
	return append(b, '}')
}

// appendJSON writes an extenderv1.HostPriorityList.
func (p *priorities) appendJSON(b []byte) []byte {
	b = append(b, '[')
	next := 0
	var end []byte
	for i, host := range p.hosts {
		if i > 0 {
			b = append(b, ',')
		}
		if next < len(p.runs) && p.runs[next].from == i {
			end = append(strconv.AppendInt(append(end[:0], `,"Score":`...), p.runs[next].score, 10), '}')
			next++
		}
		b = append(appendString(append(b, `{"Host":`...), host), end...)
	}
	return append(b, ']')
}

// plain has the bytes that stand for themselves in a string, alone or beside others of them.
var plain = func() (out [256]bool) {
	for c := ' '; c <= '~'; c++ {
		out[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return out
}()

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // a string can be written
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// readArgs reads what filter and prioritize are asked.
func (e *Extender) readArgs(body []byte, args *extenderv1.ExtenderArgs) error {
	r := argsReader{body: body, names: e.spans.get()}
	defer func() { e.spans.put(r.names) }()
	if r.read() {
		pod, ok := e.podOf(body[r.pod.from:r.pod.to])
		if ok {
			args.Pod = pod
			if r.named {
				names := e.nodes.intern(r.names, body)
				args.NodeNames = &names
			}
			return nil
		}
	}
	return json.Unmarshal(body, args)
}

// podOf reads a pod. kube-scheduler sends it twice, to filter and to prioritize.
func (e *Extender) podOf(raw []byte) (*v1.Pod, bool) {
	if len(raw) == 0 {
		return nil, true
	}
	e.reading.Lock()
	if e.read.pod != nil && bytes.Equal(e.read.raw, raw) {
		defer e.reading.Unlock()
		return e.read.pod, true
	}
	e.reading.Unlock()
	pod := new(v1.Pod)
	if json.Unmarshal(raw, pod) != nil {
		return nil, false
	}
	if len(raw) <= mostKept {
		e.reading.Lock()
		defer e.reading.Unlock()
		e.read.raw, e.read.pod = append(e.read.raw[:0], raw...), pod
	}
	return pod, true
}

// mostKept is how many bytes of a request are kept from one to the next.
const mostKept = 1 << 20

// span is a part of a body.
type span struct{ from, to int }

// argsReader finds the parts of an ExtenderArgs in a body. It reads what kube-scheduler sends, and gives up on all else: that may be read
// otherwise, or not at all.
type argsReader struct {
	body  []byte
	at    int
	pod   span // empty if it is null
	names []span
	named bool // whether there is a list of names
}

func (r *argsReader) read() bool {
	r.names = r.names[:0]
	if !r.is('{') {
		return false
	}
	var pod, nodes, names bool
	for first := true; ; first = false {
		if r.is('}') {
			break
		}
		if !first && !r.is(',') {
			return false
		}
		key, ok := r.text()
		if !ok || !r.is(':') {
			return false
		}
		switch name := string(r.body[key.from:key.to]); {
		case name == "Pod" && !pod:
			pod = true
			ok = r.null() || r.object()
		case name == "Nodes" && !nodes:
			nodes = true
			ok = r.null()
		case name == "NodeNames" && !names:
			names = true
			ok = r.null() || r.list()
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	r.space()
	return r.at == len(r.body)
}

func (r *argsReader) space() {
	for r.at < len(r.body) {
		switch r.body[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// is takes a byte, if it is the next.
func (r *argsReader) is(c byte) bool {
	r.space()
	if r.at < len(r.body) && r.body[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *argsReader) null() bool {
	r.space()
	if bytes.HasPrefix(r.body[r.at:], []byte("null")) {
		r.at += len("null")
		return true
	}
	return false
}

// text takes a string of which every byte stands for itself.
func (r *argsReader) text() (span, bool) {
	if !r.is('"') {
		return span{}, false
	}
	from := r.at
	for r.at < len(r.body) {
		switch c := r.body[r.at]; {
		case c == '"':
			r.at++
			return span{from, r.at - 1}, true
		case c < ' ' || c > '~' || c == '\\':
			return span{}, false
		}
		r.at++
	}
	return span{}, false
}

func (r *argsReader) list() bool {
	if !r.is('[') {
		return false
	}
	r.named = true
	if r.is(']') {
		return true
	}
	for {
		name, ok := r.text()
		if !ok {
			return false
		}
		r.names = append(r.names, name)
		if r.is(']') {
			return true
		}
		if !r.is(',') {
			return false
		}
	}
}

// object takes an object as a whole; whether it is one is for others to say.
func (r *argsReader) object() bool {
	r.space()
	if r.at == len(r.body) || r.body[r.at] != '{' {
		return false
	}
	from, depth := r.at, 0
	for r.at < len(r.body) {
		switch r.body[r.at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				r.at++
				r.pod = span{from, r.at}
				return true
			}
		case '"':
			for r.at++; r.at < len(r.body) && r.body[r.at] != '"'; r.at++ {
				if r.body[r.at] == '\\' {
					r.at++
				}
			}
		}
		r.at++
	}
	return false
}
