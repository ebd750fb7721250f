/* plot.c -- ratios as bars in an SVG file, on a logarithmic scale around 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>

#include "bench.h"

enum { ROW = 16, LEFT = 260, WIDTH = 480, TOP = 40, OCTAVES = 2 /* each side of 1 */ };

static double place(double ratio) {
  double x = log2(ratio) / OCTAVES;
  return LEFT + WIDTH * (0.5 + 0.5 * fmax(-1, fmin(1, x)));
}

bool bench_plot(const char *path, const char *title, const bench_bar *bars, size_t count) {
  FILE *f = fopen(path, "w");
  if (!f) return false;
  int height = TOP + (int)count * ROW + 30;
  fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" ",
          LEFT + WIDTH + 80, height);
  fprintf(f, "font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
  fprintf(f, "<text x=\"%d\" y=\"20\" font-size=\"14\">%s</text>\n", LEFT, title);
  for (int half = -2 * OCTAVES; half <= 2 * OCTAVES; half++) {
    double ratio = exp2(half / 2.0), x = place(ratio);
    fprintf(f, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"/>\n", x, TOP - 6, x, height - 24,
            half ? "#ddd" : "#888");
    fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.2g</text>\n", x, height - 10, ratio);
  }
  for (size_t i = 0; i < count; i++) {
    double y = TOP + (double)i * ROW, x = place(bars[i].ratio), one = place(1);
    fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8, y + 11, bars[i].label);
    fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", fmin(x, one), y + 2,
            fabs(x - one), ROW - 4, bars[i].ratio < 1 ? "#c66" : "#6a6");
    fprintf(f, "<text x=\"%d\" y=\"%.1f\">%.2f</text>\n", LEFT + WIDTH + 8, y + 11, bars[i].ratio);
  }
  fprintf(f, "</svg>\n");
  return fclose(f) == 0;
}
