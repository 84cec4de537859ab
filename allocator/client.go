package allocator

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-sched/berth"
)

// Client is who can have a turn: one of the frameworks, users or jobs of a role or, when Name is empty, the
// role itself as one queue. With an empty Role, the client is directly below the root. Clients compare
// with ==.
type Client struct {
	Role berth.Role
	Name string
}

// maxDepth is the most segments of a role. It bounds the recursion over the tree, and what a charge costs.
const maxDepth = 100

// Err returns every fault of the client joined into one error, or nil: the faults of its role, a role
// of more than 100 segments, a name that is not UTF-8 or holds a control character.
func (c Client) Err() error {
	var errs []error
	if err := checkRole(c.Role); err != nil {
		errs = append(errs, err)
	}
	switch {
	case !utf8.ValidString(c.Name):
		errs = append(errs, fmt.Errorf("client %q: name is not UTF-8", c.String()))
	case strings.ContainsFunc(c.Name, unicode.IsControl):
		errs = append(errs, fmt.Errorf("client %q: control character in name", c.String()))
	}
	return errors.Join(errs...)
}

// String prints the client as "role", "name" or "name@role"; "@" is the root role.
func (c Client) String() string {
	switch {
	case c.Name == "" && c.Role == "":
		return "@"
	case c.Name == "":
		return string(c.Role)
	case c.Role == "":
		return c.Name
	}
	return c.Name + "@" + string(c.Role)
}

func checkRole(r berth.Role) error {
	if n := strings.Count(string(r), "/") + 1; n > maxDepth {
		// The path is not quoted: it is long by definition.
		return fmt.Errorf("role %.40q...: %d segments, at most %d", string(r), n, maxDepth)
	}
	return r.Err()
}
