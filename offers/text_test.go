package offers_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth/offers"
)

// What has no exported fields is no "{}".
func TestNoTextForm(t *testing.T) {
	for what, v := range map[string]any{
		"exchange":     &offers.Exchange{},
		"subscription": &offers.Subscription{},
		"book":         &offers.Book{},
	} {
		_, err := json.Marshal(map[string]any{"what": v})
		assert.ErrorContains(t, err, "offers: "+strings.TrimSpace(what)+": it has no text form; ")
	}
}
