package events

import "reflect"

// CommonOf returns what every event of a call carries.
func CommonOf(body any) (Common, bool) {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return Common{}, false
	}
	f := v.Elem().FieldByName("Common")
	if !f.IsValid() {
		return Common{}, false
	}
	c, ok := f.Interface().(Common)
	return c, ok
}

// SetCommon fills in what every event of a call carries; bodies without it
// are left alone.
func SetCommon(body any, c Common) {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return
	}
	if f := v.Elem().FieldByName("Common"); f.IsValid() && f.Type() == reflect.TypeFor[Common]() {
		f.Set(reflect.ValueOf(c))
	}
}
