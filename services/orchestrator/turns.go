package orchestrator

// mostAtOnce is how many due calls one look handles.
const mostAtOnce = 64

// inTurn takes as many due calls as one look handles, tenant by tenant in turn,
// and says whether there are more: a tenant with thousands of them at the same
// minute holds up nobody else's.
func inTurn(due []Due) (now []Due, more bool) {
	if len(due) <= mostAtOnce {
		return due, false
	}
	of := map[string][]Due{}
	var tenants []string
	for _, d := range due {
		if len(of[d.Tenant]) == 0 {
			tenants = append(tenants, d.Tenant)
		}
		of[d.Tenant] = append(of[d.Tenant], d)
	}
	for turn := 0; len(now) < mostAtOnce; turn++ {
		for _, t := range tenants {
			if turn < len(of[t]) && len(now) < mostAtOnce {
				now = append(now, of[t][turn])
			}
		}
	}
	return now, true
}
