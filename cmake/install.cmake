# What `cmake --install` puts where: the program (component runtime), and libresnet with its headers for find_package and
# pkg-config (component development). The tree may be moved after it is installed.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(RESNET_PROGRAM)
  install(TARGETS resnet-program resnet-serve RUNTIME COMPONENT runtime)
  # Nothing enables them.
  install(FILES deploy/systemd/resnet-serve.service deploy/systemd/resnet-serve.socket DESTINATION lib/systemd/system
          COMPONENT runtime)
endif()
# What the program is tried with: a model that was trained here, and recipes of `resnet train`.
if(RESNET_PROGRAM)
  file(GLOB models CONFIGURE_DEPENDS models/*.safetensors)
  file(GLOB recipes CONFIGURE_DEPENDS recipes/*.toml)
  install(FILES ${models} DESTINATION ${CMAKE_INSTALL_DATADIR}/resnet/models COMPONENT runtime)
  install(FILES ${recipes} DESTINATION ${CMAKE_INSTALL_DATADIR}/resnet/recipes COMPONENT runtime)
endif()
if(TARGET resnet-train)  # component trainer
  if(TARGET resnet_libtorch)  # which it finds where it was when this was built
    # CMake itself takes the folders of what is linked, but leaves out those in the source tree, such as the wheel in .venv.
    set_target_properties(resnet-train PROPERTIES INSTALL_RPATH ${RESNET_TORCH_FOUND}/lib INSTALL_RPATH_USE_LINK_PATH ON)
  endif()
  install(TARGETS resnet-train RUNTIME COMPONENT trainer)
endif()

install(FILES NOTICE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/resnet COMPONENT runtime)
install(FILES NOTICE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libresnet-dev COMPONENT development)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/resnet)
install(TARGETS resnet EXPORT resnet-targets
        ARCHIVE COMPONENT development
        FILE_SET HEADERS COMPONENT development)
install(EXPORT resnet-targets NAMESPACE resnet:: DESTINATION ${package_dir} COMPONENT development)
if(TARGET resnet_with_tools)
  install(TARGETS resnet_with_tools EXPORT resnet-tools-targets
          ARCHIVE COMPONENT development
          FILE_SET HEADERS COMPONENT development)
  install(EXPORT resnet-tools-targets NAMESPACE resnet:: DESTINATION ${package_dir} COMPONENT development)
endif()
if(TARGET resnet_trainer)
  install(TARGETS resnet_trainer EXPORT resnet-train-targets
          ARCHIVE COMPONENT trainer
          FILE_SET HEADERS COMPONENT trainer)
  install(EXPORT resnet-train-targets NAMESPACE resnet:: DESTINATION ${package_dir} COMPONENT trainer)
endif()
set(resnet_has_torch OFF)
if(TARGET resnet_libtorch)
  set(resnet_has_torch ON)
endif()
configure_package_config_file(cmake/resnet-config.cmake.in resnet-config.cmake INSTALL_DESTINATION ${package_dir}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(resnet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/resnet-config.cmake ${PROJECT_BINARY_DIR}/resnet-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)

file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/resnet.pc.in resnet.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/resnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# Man pages and the completions for bash, zsh and fish, written by the program from the tables of its options.
if(RESNET_PROGRAM)
  set(reference ${PROJECT_BINARY_DIR}/reference)
  set(trainer "")
  set(trainer_command ${CMAKE_COMMAND} -E true)
  if(TARGET resnet-train)
    set(trainer resnet-train)
    set(trainer_command resnet-train reference ${reference}/trainer)
    install(FILES ${reference}/trainer/man1/resnet-train.1 ${reference}/trainer/man1/resnet-study.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT trainer)
  endif()
  add_custom_command(OUTPUT ${reference}/bash-completion/resnet
                     COMMAND ${CMAKE_COMMAND} -E rm -rf ${reference}
                     COMMAND resnet-program reference ${reference}
                     COMMAND resnet-serve reference ${reference}/server
                     COMMAND ${trainer_command}
                     DEPENDS resnet-program resnet-serve ${trainer} VERBATIM)
  add_custom_target(reference ALL DEPENDS ${reference}/bash-completion/resnet)
  install(DIRECTORY ${reference}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT runtime)
  install(FILES ${reference}/server/man1/resnet-serve.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
  install(DIRECTORY ${reference}/bash-completion/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          COMPONENT runtime)
  install(DIRECTORY ${reference}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT runtime)
  install(DIRECTORY ${reference}/fish/ DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT runtime)
endif()
