package allocator_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth/allocator"
)

// What has no exported fields is no "{}".
func TestNoTextForm(t *testing.T) {
	for what, v := range map[string]any{
		"DRF":    &allocator.DRF{},
		"turns":  &allocator.Turns{},
		"vector": allocator.Vector{},
	} {
		_, err := json.Marshal(map[string]any{"what": v})
		assert.ErrorContains(t, err, "allocator: "+strings.TrimSpace(what)+": it has no text form; ")
	}
}
