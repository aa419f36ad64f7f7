# What `cmake --install` puts where, and how other projects find it: find_package and pkg-config.
if(NOT TARGET sqlitemem_embedded)
  return()
endif()
include(CMakePackageConfigHelpers)

# The file names the version that its users were linked against; the interface is that of the major.
set_target_properties(sqlitemem_embedded PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} EXPORT_NAME sqlitemem)
set_target_properties(sqlitemem PROPERTIES EXPORT_NAME loadable)
set_target_properties(sqlitemem_preload PROPERTIES EXPORT_NAME preload)

set(SQLITEMEM_INSTALL_MODULEDIR ${CMAKE_INSTALL_LIBDIR}/sqlitemem)
set(SQLITEMEM_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/sqlitemem)
set(SQLITEMEM_INSTALL_SQLDIR ${CMAKE_INSTALL_DATADIR}/sqlitemem)

install(TARGETS sqlitemem_embedded sqlitemem_preload EXPORT sqlitemem
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# A directory of its own, because SQLite derives the entry point from the file's name.
install(TARGETS sqlitemem EXPORT sqlitemem LIBRARY DESTINATION ${SQLITEMEM_INSTALL_MODULEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/ext/sqlitemem.h ${PROJECT_SOURCE_DIR}/ext/sqlitemem.hpp
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sql/views ${PROJECT_SOURCE_DIR}/sql/reports
  DESTINATION ${SQLITEMEM_INSTALL_SQLDIR} FILES_MATCHING PATTERN "*.sql")

install(EXPORT sqlitemem NAMESPACE sqlitemem:: FILE sqlitemem-targets.cmake
  DESTINATION ${SQLITEMEM_INSTALL_CMAKEDIR})
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/sqlitemem-config.cmake.in ${PROJECT_BINARY_DIR}/sqlitemem-config.cmake
  INSTALL_DESTINATION ${SQLITEMEM_INSTALL_CMAKEDIR}
  PATH_VARS SQLITEMEM_INSTALL_MODULEDIR SQLITEMEM_INSTALL_SQLDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sqlitemem-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/sqlitemem-config.cmake ${PROJECT_BINARY_DIR}/sqlitemem-config-version.cmake
  DESTINATION ${SQLITEMEM_INSTALL_CMAKEDIR})

# The prefix is taken from where the file lies, so that an installed tree may be moved.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig
  OUTPUT_VARIABLE SQLITEMEM_PREFIX_FROM_PKGCONFIG)
configure_file(${CMAKE_CURRENT_LIST_DIR}/sqlitemem.pc.in ${PROJECT_BINARY_DIR}/sqlitemem.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sqlitemem.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
