#!/usr/bin/env python3
"""The table of fovea/backend/cpu/root_trace.cpp: odd polynomials of degree 9, each the closest to 1 on what the one before
left of the interval [1e-6, 1] (that is [1 - e, 1 + e]), by Remez's exchange in 50 digits.

Amsel, Persson, Musco & Gower, "The Polar Express", 2025, prove that composing such polynomials is the best use of products.

Run with Debian 12's python3-mpmath: ./polynomials.py"""
from mpmath import cos, lu_solve, matrix, mp, mpf, nstr, pi, polyroots, sqrt

DEGREE, LEAST, DONE = 9, "1e-6", mpf("1e-5")
mp.dps = 50
N = (DEGREE + 1) // 2


def equal_errors(points):
    """Coefficients of x, x^3, … and the error that alternates at N + 1 points."""
    system, ones = matrix(N + 1, N + 1), matrix(N + 1, 1)
    for i, x in enumerate(points):
        for j in range(N):
            system[i, j] = x ** (2 * j + 1)
        system[i, N] = (-1) ** i
        ones[i] = 1
    s = lu_solve(system, ones)
    return [s[j] for j in range(N)], abs(s[N])


def exchange(low, high, points):
    while True:
        points[0], points[-1] = low, high
        c, error = equal_errors(points)
        slope = [(2 * j + 1) * c[j] for j in range(N)][::-1]
        extrema = sorted(sqrt(mp.re(y)) for y in polyroots(slope, maxsteps=2000, extraprec=400))
        moved = max(abs(a - b) for a, b in zip(extrema, points[1:-1]))
        points = [low] + extrema + [high]
        if moved < mpf(10) ** -35:
            return c, error, points


def closest_to_one(low, high):
    at = max(low, high / 2)
    points = [(at + high) / 2 - (high - at) / 2 * cos(pi * k / N) for k in range(N + 1)]
    while True:  # a wide interval is reached from narrower ones
        c, error, points = exchange(at, high, points)
        if at <= low:
            return c, error
        at = max(low, at * mpf("0.8"))


low, high, error = mpf(LEAST), mpf(1), mpf(1)
while error > DONE:
    c, error = closest_to_one(low, high)
    print("    {" + ", ".join(nstr(x, 17) for x in c) + "},  // " + nstr(error, 2))
    low, high = 1 - error, 1 + error
