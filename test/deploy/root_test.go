package deploy

import "path/filepath"

// root is the repository's root as seen from this package.
var root = filepath.Join("..", "..")
