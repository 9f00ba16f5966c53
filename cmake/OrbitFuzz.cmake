# orbit_add_fuzz(NAME SOURCES a.cpp... LIBRARIES lib... COVERS lib...)
#
# An executable fuzz_NAME with libFuzzer's main, in build trees with ORBIT_FUZZ (presets asan and fuzz); `./dev fuzz` runs it, with the
# inputs of corpus/ beside the CMakeLists.txt as seeds. COVERS names the libraries of this tree whose branches the fuzzer is
# to find: they alone are compiled with coverage, because it makes everything else of the tree slower too, and with -O1,
# which tries several times as many inputs.
function(orbit_add_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;COVERS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES OR NOT arg_COVERS)
    message(FATAL_ERROR "orbit_add_fuzz(${name}): needs SOURCES and COVERS; unknown arguments '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT ORBIT_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${arg_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE ${arg_LIBRARIES} ${arg_COVERS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  foreach(covered IN LISTS arg_COVERS ITEMS fuzz_${name})
    get_target_property(options ${covered} COMPILE_OPTIONS)
    if(NOT "-fsanitize=fuzzer-no-link" IN_LIST options)
      target_compile_options(${covered} PRIVATE -fsanitize=fuzzer-no-link -O1)
    endif()
  endforeach()
endfunction()
