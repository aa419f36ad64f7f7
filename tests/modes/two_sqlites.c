/* Loads plugins that bring a SQLite each, privately, and lets them work in turn. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  int i;
  for (i = 1; i < count; i++) {
    void* plugin = dlopen(arguments[i], RTLD_NOW | RTLD_LOCAL);
    void (*use_sqlite)(void);
    if (plugin == 0) {
      printf("%s\n", dlerror());
      return 1;
    }
    *(void**)&use_sqlite = dlsym(plugin, "use_sqlite");
    use_sqlite();
  }
  return 0;
}
