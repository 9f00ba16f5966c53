# orbit_add_npm(TEST FOLDER [LABELS label...])
#
# A test that installs what FOLDER/package-lock.json names, and is the fixture of its own name for tests that need it. Build
# trees share what is installed, in ORBIT_NPM_DIR/TEST; npm_dir is that folder.
set(ORBIT_NPM_DIR "${PROJECT_SOURCE_DIR}/build/npm")

function(orbit_add_npm test folder)
  cmake_parse_arguments(arg "" "" "LABELS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "orbit_add_npm(${test}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  find_program(ORBIT_NODEJS NAMES node nodejs REQUIRED)
  find_program(ORBIT_NPM npm REQUIRED)
  cmake_path(ABSOLUTE_PATH folder NORMALIZE)
  set(npm_dir "${ORBIT_NPM_DIR}/${test}")
  add_test(NAME "${test}" COMMAND sh "${PROJECT_SOURCE_DIR}/tests/support/npm_install.sh" "${ORBIT_NPM}" "${folder}" "${npm_dir}")
  set_tests_properties("${test}" PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300 FIXTURES_SETUP "${test}")
  set(npm_dir "${npm_dir}" PARENT_SCOPE)
endfunction()
