// Package imports holds the rules that keep the parts of outdial apart, and
// says where a tree of sources breaks them.
package imports
