#include <cstdio>
int main() { std::puts("envgate"); }
