package scheduler_test

import (
	"fmt"
	"testing"
)

// BenchmarkGrowth shows how costs grow: each row runs at a size and at twice that, and takes at most 2.5 times as long
// there. Rows about memory report bytes-left instead, which does not grow: what the heap holds once all is gone again.
func BenchmarkGrowth(b *testing.B) {
	rows := []struct {
		what string
		n    int
		run  func(b *testing.B, n int)
	}{
		{"gangs-admission", 2_000, growGangs},
		{"reserved-nodes", 1_000, growReserved},
		{"reservations", 2_000, growReservations},
		{"revoke", 5_000, growRevoke},
		{"gangs-commit", 2_000, growGangsCommitted},
		{"gangs-refused", 2_000, growGangsRefused},
		{"gang-undo", 10_000, growGangUndo},
		{"parts", 10_000, growParts},
		{"parts-refused", 10_000, growPartsRefused},
		{"admission-denied", 10_000, growDenied},
		{"limits-roles", 2_000, growLimits},
		{"limits-depth", 200, growLimitsDepth},
		{"limits-set", 5_000, growLimitsSet},
		{"limits-reached", 2_000, growLimitsReached},
		{"owners", 5_000, growOwners},
		{"replay", 10_000, growReplay},
		{"adopt", 10_000, growAdopt},
		{"release", 20_000, growRelease},
		{"expire", 20_000, growExpire},
		{"run-start", 16_000, growRunStart},
		{"run-parked", 10_000, growRunParked},
		{"run-frameworks-parked", 100, growFrameworksParked},
		{"run-frameworks-moved", 500, growFrameworksMoved},
		{"run-nodes", 5_000, growRunNodes},
		{"queue-cancel", 20_000, growQueueCancel},
		{"inventory-watch", 10_000, growInventoryWatch},
		{"run-failures", 2_000, growRunFailures},
		{"run-unplaced", 2_000, growRunUnplaced},
		{"inventory-removed", 20_000, growInventoryRemoved},
		{"order-roles", 2_000, growOrderRoles},
		{"clusters", 1_000, growClusters},
		{"order-roles-that-have", 5_000, growOrderRolesThatHave},
		{"order-tiers", 2_000, growOrderTiers},
		{"revisions", 1_000, growRevisions},
		{"roll", 2_000, growRoll},
		{"surplus", 5_000, growSurplus},
		{"instances-waiting", 2_000, growWaitingInstances},
		{"daemons-waiting", 100, growWaitingDaemons},
		{"kept-rooms", 2_000, growKeptRooms},
		{"order-nothing-fits", 2_000, growOrderNothingFits},
		{"order-gangs-undone", 500, growOrderGangs},
	}
	for _, row := range rows {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) { row.run(b, n) })
		}
	}
}
