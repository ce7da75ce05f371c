#include <cstdio>
int main() { std::puts("envctl"); }
