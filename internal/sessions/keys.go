package sessions

import (
	"strings"
)

// Every key of a tenant carries the tenant as its tag, so a script's keys are
// in one slot of a cluster and a tenant's can be told from another's.
const (
	keyPrefix  = "outdial:{"
	agentInfix = "}:agent:"
	hintInfix  = "}:hint:"
	readyInfix = "}:ready:"

	// No tenant can be called so: a token has no dot.
	epochKey = "outdial:{.sessions}:epoch"
	lockKey  = "outdial:{.sessions}:rebuild"
	marksKey = "outdial:{.store}:marks"

	// everyAgent matches the record of every agent of every tenant.
	everyAgent = keyPrefix + "*" + agentInfix + "*"
)

func agentKeys(tenant string) string         { return keyPrefix + tenant + agentInfix }
func hintKeys(tenant string) string          { return keyPrefix + tenant + hintInfix }
func readyKeys(tenant string) string         { return keyPrefix + tenant + readyInfix }
func agentKeyOf(tenant, agent string) string { return agentKeys(tenant) + agent }
func hintKeyOf(tenant, agent string) string  { return hintKeys(tenant) + agent }
func readyKeyOf(tenant, group string) string { return readyKeys(tenant) + group }

// agentOfKey is the inverse of agentKeyOf; false for keys that are not ours.
func agentOfKey(key string) (agentKey, bool) {
	rest, ours := strings.CutPrefix(key, keyPrefix)
	tenant, agent, found := strings.Cut(rest, agentInfix)
	return agentKey{tenant, agent}, ours && found && names(tenant, agent) == nil
}
