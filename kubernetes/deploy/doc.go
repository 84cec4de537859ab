// Package deploy holds the manifests of berth's extender, and the tests that keep them true. README.md is for operators.
package deploy
