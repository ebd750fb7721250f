/* ops_resize.c -- converters of sampling at other places: Resize and Upsample.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "convert.h"

/* Sizes or scales, as an input (Upsample 9, Resize 10, and Resize 11 behind the region) or Upsample 7's attribute. */
void tni_convert_resize(conversion *c) {
  tni_gvalue x = *in(c, 0);
  bool upsample = strcmp(c->n->op_type, "Upsample") == 0, old = upsample || c->m->opset < 11;
  uint32_t at = old ? 1 : 2;
  double scales[TN_MAX_RANK] = {0};
  int64_t shape[TN_MAX_RANK];
  const char *mode = attr_string(c, "mode", "nearest");
  const tni_onnx_attr *a = upsample && c->m->opset < 9 ? find_attr(c, "scales", TNI_ONNX_FLOATS) : NULL;
  bool given = a || (has_input(c, at) && tni_gvalue_numel(in(c, at)) > 0);
  if (has_attr(c, "axes") || attr_int(c, "antialias", 0) ||
      strcmp(attr_string(c, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0 ||
      strcmp(attr_string(c, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
    return fail(c, TN_E_UNSUPPORTED, "axes, antialias, crops and a kept aspect ratio are not supported");
  if (strcmp(mode, "cubic") == 0) return fail(c, TN_E_UNSUPPORTED, "cubic interpolation is not supported");
  if (given) {
    const tni_gvalue *v = a ? NULL : in(c, at);
    if (v && (!v->data || v->type != TN_F32))
      return fail(c, TN_E_UNSUPPORTED, "the scales must be a constant list of f32");
    if ((a ? a->float_count : tni_gvalue_numel(v)) != x.rank)
      return fail(c, TN_E_INVALID, "one scale per dimension is needed");
    for (int32_t i = 0; i < x.rank; i++) {
      scales[i] = a ? a->floats[i] : tni_read_element(TN_F32, v->data, i).f;
      double size = floor((double)x.shape[i] * scales[i]);
      if (!(scales[i] > 0 && size < (double)(1 << 30))) return fail(c, TN_E_INVALID, "a scale is out of range");
      shape[i] = (int64_t)size;
    }
  } else {
    int32_t count;
    const int64_t *sizes = known_ints(c, 3, "sizes", &count);
    if (!ok(c) || count != x.rank) return fail(c, TN_E_INVALID, "one size per dimension is needed");
    memcpy(shape, sizes, sizeof(int64_t) * (size_t)count);
  }
  set_string(c, "mode", strcmp(mode, "bilinear") == 0 ? "linear" : mode);
  set_string(c, "coordinates", old ? "asymmetric" : attr_string(c, "coordinate_transformation_mode", "half_pixel"));
  set_string(c, "nearest", old ? "floor" : attr_string(c, "nearest_mode", "round_prefer_floor"));
  set_ints(c, "shape", x.rank, shape);
  tni_attr *s = add_attr(c, "scales", TNI_ATTR_FLOATS);
  s->count = x.rank;
  s->floats = scales;
  give(c, 0, emit1(c, "resize", input(c, 0), out_name(c, 0)));
}
