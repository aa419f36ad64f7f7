# Turns the lists of CMakeLists.txt into a test program and ctest entries.
find_package(Catch2 2 REQUIRED)
include(Catch)

# GCC 12's ThreadSanitizer cannot place its shadow when mmap is randomised over more than 28 bits.
if(SQLITEMEM_SANITIZE MATCHES "thread" AND EXISTS /proc/sys/vm/mmap_rnd_bits)
  file(READ /proc/sys/vm/mmap_rnd_bits mmap_random_bits)
  string(STRIP "${mmap_random_bits}" mmap_random_bits)
  if(mmap_random_bits GREATER 28)
    execute_process(COMMAND setarch -R true RESULT_VARIABLE setarch_failed OUTPUT_QUIET ERROR_QUIET)
    if(NOT setarch_failed)
      set(CMAKE_CROSSCOMPILING_EMULATOR setarch -R)
    endif()
  endif()
endif()

if(SQLITEMEM_UNIT_TESTS)
  add_executable(sqlitemem_tests ${SQLITEMEM_TEST_SOURCES})
  target_link_libraries(sqlitemem_tests PRIVATE
    sqlitemem_allocators ${SQLITEMEM_TEST_LIBRARIES} Catch2::Catch2 SQLite::SQLite3
    ${CMAKE_DL_LIBS})
  # Catch2 2 is one header of 18,000 lines: read once, the tests build in half the time.
  target_precompile_headers(sqlitemem_tests PRIVATE support/catch.h)
  # Catch2's own code needs no debugger, and is the longest file. It does need the sanitizer: of the
  # inline functions that it shares with the others the linker keeps one copy, perhaps this one's.
  set_source_files_properties(main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS -g0)
  target_compile_definitions(sqlitemem_tests PRIVATE
    SQLITEMEM_BUILD_DIR="${PROJECT_BINARY_DIR}" SQLITEMEM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  foreach(artefact sqlitemem sqlitemem_preload sqlitemem_embedded)
    if(TARGET ${artefact})
      add_dependencies(sqlitemem_tests ${artefact})
    endif()
  endforeach()
  # ThreadSanitizer has a thread and a shadow of its own: a test that counts threads or limits
  # address space has the tag [no_tsan]; so has one that computes for minutes in a single thread.
  set(spec)
  if(SQLITEMEM_SANITIZE MATCHES "thread")
    set(spec TEST_SPEC "~[no_tsan]")
  endif()
  # NoTests: a name that Catch2 cannot find again is a failure, not a silent success.
  catch_discover_tests(sqlitemem_tests ${spec}
    EXTRA_ARGS -w NoTests PROPERTIES LABELS unit TIMEOUT 300)
endif()

if(SQLITEMEM_SANITIZE MATCHES "address")
  set(SQLITEMEM_TEST_SCRIPTS ${SQLITEMEM_SANITIZED_SCRIPTS})
elseif(SQLITEMEM_SANITIZE)
  set(SQLITEMEM_TEST_SCRIPTS)
endif()
if(SQLITEMEM_TEST_SCRIPTS)
  find_program(BASH_PROGRAM bash REQUIRED)
  # The system's Python first: its sqlite3 module can load extensions.
  find_program(PYTHON_PROGRAM python3 PATHS /usr/bin NO_DEFAULT_PATH)
  find_program(PYTHON_PROGRAM python3 REQUIRED)
  foreach(script IN LISTS SQLITEMEM_TEST_SCRIPTS)
    separate_arguments(command UNIX_COMMAND "${script}")
    list(POP_FRONT command file)
    cmake_path(ABSOLUTE_PATH file NORMALIZE)
    cmake_path(GET file STEM stem)
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE shown)
    list(JOIN command " " arguments)
    string(STRIP "${shown} ${arguments}" name)
    string(MAKE_C_IDENTIFIER "${name}" directory)
    set(directory ${CMAKE_CURRENT_BINARY_DIR}/scripts/${directory})
    file(MAKE_DIRECTORY ${directory})
    if(file MATCHES "\\.py$")
      set(interpreter ${PYTHON_PROGRAM})
    else()
      set(interpreter ${BASH_PROGRAM})
    endif()
    add_test(NAME "${name}" WORKING_DIRECTORY ${directory}
             COMMAND ${interpreter} ${file} ${command})
    set(environment
      SQLITEMEM_BUILD_DIR=${PROJECT_BINARY_DIR}
      SQLITEMEM_SOURCE_DIR=${PROJECT_SOURCE_DIR}
      SQLITEMEM_TEST_DIR=${directory})
    if(SQLITEMEM_SANITIZE)
      # The program does not know the sanitizer, which comes as a dependency of the preload library;
      # what the program leaks is not ours.
      list(APPEND environment SQLITEMEM_SANITIZE=${SQLITEMEM_SANITIZE}
        ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:detect_stack_use_after_return=1)
    endif()
    set_tests_properties("${name}" PROPERTIES
      LABELS script COST 100 TIMEOUT 600 ENVIRONMENT "${environment}")
  endforeach()
endif()
