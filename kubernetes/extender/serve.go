package extender

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// ServeHTTP answers the verbs, by POST: /filter, /prioritize, /bind and /preempt; and by GET /healthz, /readyz and
// /why/{namespace}/{pod}. What goes wrong is told in the protocol's own form where it has one, which is in the answers of filter and
// bind; else, and for requests that are no verb, by a status and a line of text.
func (e *Extender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := strings.Trim(r.URL.Path, "/"); {
	case path == "filter":
		serve(e, w, r, path, func(err error) any { return &extenderv1.ExtenderFilterResult{Error: err.Error()} }, e.filter)
	case path == "prioritize":
		serve(e, w, r, path, nil, e.prioritize)
	case path == "bind":
		serve(e, w, r, path, func(err error) any { return &extenderv1.ExtenderBindingResult{Error: err.Error()} }, e.bind)
	case path == "preempt":
		serve(e, w, r, path, nil, e.preempt)
	case path == "healthz" && get(w, r):
		fmt.Fprintln(w, "ok")
	case path == "readyz" && get(w, r):
		if err := e.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	case strings.HasPrefix(path, "why/") && get(w, r):
		e.serveWhy(w, r, strings.TrimPrefix(path, "why/"))
	case path == "healthz", path == "readyz", strings.HasPrefix(path, "why/"): // answered by get
	default:
		http.Error(w, fmt.Sprintf("berth: %q is no verb: filter, prioritize, bind, preempt", short(path, 100)), http.StatusNotFound)
	}
}

func get(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "berth: ask by GET", http.StatusMethodNotAllowed)
	return false
}

// statusError is an error with the status that a verb answers with that has no form for errors.
type statusError struct {
	status int
	err    error
}

func (s *statusError) Error() string { return s.err.Error() }
func (s *statusError) Unwrap() error { return s.err }

func withStatus(status int, format string, args ...any) error {
	return &statusError{status, fmt.Errorf("berth: "+format, args...)}
}

// serve reads a request, has it answered, and writes the answer. Inform gives an error the form that the verb has for it, or is nil.
func serve[Args, Result any](e *Extender, w http.ResponseWriter, r *http.Request, verb string, inform func(error) any, answer func(*http.Request, *Args) (Result, error)) {
	began := e.config.Clock()
	result, err := func() (result Result, err error) {
		defer func() {
			if v := recover(); v != nil {
				e.log.Error("panic", "verb", verb, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
				err = withStatus(http.StatusInternalServerError, "internal fault: %v", v)
			}
		}()
		args, err := read[Args](e, w, r)
		if err != nil {
			return result, err
		}
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		default:
			return result, withStatus(http.StatusServiceUnavailable, "too many requests at once: more than %d", e.config.MostCalls)
		}
		if err := e.Ready(); err != nil {
			return result, &statusError{http.StatusServiceUnavailable, err}
		}
		return answer(r, args)
	}()
	outcome := "ok"
	defer func() { e.metrics.observe(verb, outcome, e.config.Clock().Sub(began)) }()
	if err == nil {
		e.reply(w, result)
		return
	}
	outcome = "error"
	e.log.Warn("refused", "verb", verb, "error", err)
	status := http.StatusBadRequest
	var coded *statusError
	if errors.As(err, &coded) {
		status = coded.status
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "POST")
	}
	if inform != nil && status != http.StatusMethodNotAllowed {
		e.reply(w, inform(errors.New(short(err.Error(), mostText))))
		return
	}
	http.Error(w, short(err.Error(), mostText), status)
}

// read reads what kube-scheduler sends.
func read[Args any](e *Extender, w http.ResponseWriter, r *http.Request) (*Args, error) {
	if r.Method != http.MethodPost {
		return nil, withStatus(http.StatusMethodNotAllowed, "verbs are asked by POST")
	}
	if kind := r.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return nil, withStatus(http.StatusUnsupportedMediaType, "the body is %q and not application/json", short(kind, 100))
		}
	}
	control := http.NewResponseController(w)
	// A server that knows no deadlines, such as a recorder of a test, has none.
	_ = control.SetReadDeadline(e.config.Clock().Add(e.config.MostTime))
	if r.ContentLength > e.config.MostBody {
		return nil, withStatus(http.StatusRequestEntityTooLarge, "the body has %d bytes, more than %d", r.ContentLength, e.config.MostBody)
	}
	buffer := bytes.NewBuffer(e.bodies.get())
	defer func() { e.bodies.put(buffer.Bytes()) }()
	// What it says to have is believed up to here: more is made room for as it comes.
	buffer.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, e.config.MostBody)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, withStatus(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", large.Limit)
		}
		w.Header().Set("Connection", "close") // lest the rest of the body is waited for
		return nil, withStatus(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	_ = control.SetReadDeadline(time.Time{})
	args := new(Args)
	var err error
	if nodes, ok := any(args).(*extenderv1.ExtenderArgs); ok {
		err = e.readArgs(buffer.Bytes(), nodes)
	} else {
		err = json.Unmarshal(buffer.Bytes(), args)
	}
	if err != nil {
		return nil, withStatus(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	return args, nil
}

func (e *Extender) reply(w http.ResponseWriter, result any) {
	var body []byte
	if own, ok := result.(appender); ok {
		body = own.appendJSON(e.bodies.get())
		defer func() { e.bodies.put(body) }()
	} else {
		var err error
		if body, err = json.Marshal(result); err != nil {
			http.Error(w, "berth: "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who asked may be gone
}
