// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

int main(int argc, char** argv) { return doctest::Context(argc, argv).run(); }
