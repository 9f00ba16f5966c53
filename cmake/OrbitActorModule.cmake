# Targets made from actor .proto files; included by OrbitPlugin.cmake, which documents the calls.

# Where actor modules are built: beside the plugins, in lib/orbit/modules.
if(ORBIT_PLUGIN_OUTPUT_DIR AND NOT ORBIT_MODULE_OUTPUT_DIR)
  cmake_path(SET ORBIT_MODULE_OUTPUT_DIR NORMALIZE "${ORBIT_PLUGIN_OUTPUT_DIR}/../modules")
endif()

# orbit_add_actor_protos(NAME [CLIENT] PROTOS a.proto... [PROTO_ROOT dir] [IMPORTS dir...])
#
# A static library NAME with the messages (protobuf lite), proxies and actor bases of the files. Its users include
# "a.orbit.hpp". CLIENT: proxies for outside the node instead, in "a.client.hpp" (docs/client.md). PROTO_ROOT (default: the current source directory) is what file names are relative to in import statements;
# IMPORTS are more directories to look in.
function(orbit_add_actor_protos name)
  cmake_parse_arguments(arg "CLIENT" "PROTO_ROOT" "PROTOS;IMPORTS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_PROTOS)
    message(FATAL_ERROR "orbit_add_actor_protos(${name}): needs PROTOS; unknown arguments '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(arg_CLIENT AND NOT TARGET Orbit::client)
    message(FATAL_ERROR "orbit_add_actor_protos(${name} CLIENT ...): there is no Orbit::client; say find_package(Orbit COMPONENTS client)")
  endif()
  if(NOT arg_PROTO_ROOT)
    set(arg_PROTO_ROOT "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  cmake_path(ABSOLUTE_PATH arg_PROTO_ROOT BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/${name}.generated")
  file(MAKE_DIRECTORY "${out}")
  set(imports "-I${arg_PROTO_ROOT}")
  foreach(dir IN LISTS arg_IMPORTS ITEMS "${ORBIT_PROTO_DIR}")
    list(APPEND imports "-I${dir}")
  endforeach()

  set(sources)
  foreach(proto IN LISTS arg_PROTOS)
    cmake_path(ABSOLUTE_PATH proto BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
    cmake_path(RELATIVE_PATH proto BASE_DIRECTORY "${arg_PROTO_ROOT}" OUTPUT_VARIABLE relative)
    if(relative MATCHES "^\\.\\.")
      message(FATAL_ERROR "orbit_add_actor_protos(${name}): ${proto} is not below PROTO_ROOT ${arg_PROTO_ROOT}")
    endif()
    cmake_path(REMOVE_EXTENSION relative LAST_ONLY OUTPUT_VARIABLE stem)
    set(made "${out}/${stem}.pb.h" "${out}/${stem}.pb.cc")
    if(arg_CLIENT)
      list(APPEND made "${out}/${stem}.client.hpp")
    else()
      list(APPEND made "${out}/${stem}.orbit.hpp" "${out}/${stem}.orbit.cpp")
    endif()
    add_custom_command(
      OUTPUT ${made}
      COMMAND protobuf::protoc ${imports} "--cpp_out=lite:${out}" "--orbit_out=$<$<BOOL:${arg_CLIENT}>:client:>${out}"
        "--plugin=protoc-gen-orbit=$<TARGET_FILE:Orbit::protoc-gen-orbit>" "${proto}"
      DEPENDS "${proto}" Orbit::protoc-gen-orbit "${ORBIT_PROTO_DIR}/orbit/v1/options.proto"
      COMMENT "Actors of ${relative}" VERBATIM)
    list(APPEND sources ${made})
    set_property(SOURCE "${out}/${stem}.pb.cc" PROPERTY COMPILE_OPTIONS -w)
  endforeach()

  add_library(${name} STATIC ${sources})
  set_target_properties(${name} PROPERTIES
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
  # SYSTEM: an author's warnings flags are not for generated code.
  target_include_directories(${name} SYSTEM PUBLIC "${out}")
  target_link_libraries(${name} PUBLIC Orbit::sdk protobuf::libprotobuf-lite $<$<BOOL:${arg_CLIENT}>:Orbit::client>)
endfunction()

function(orbit_add_client_protos name)
  orbit_add_actor_protos(${name} CLIENT ${ARGN})
endfunction()

function(orbit_add_actor_module name)
  cmake_parse_arguments(arg "" "PROTO_ROOT" "PROTOS;IMPORTS;SOURCES;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_PROTOS OR NOT arg_SOURCES)
    message(FATAL_ERROR
      "orbit_add_actor_module(${name}): needs PROTOS and SOURCES; unknown arguments '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  orbit_add_actor_protos(${name}_actors PROTOS ${arg_PROTOS} PROTO_ROOT "${arg_PROTO_ROOT}" IMPORTS ${arg_IMPORTS})
  orbit_add_plugin(${name} SOURCES ${arg_SOURCES} LIBRARIES ${name}_actors ${arg_LIBRARIES})
  if(ORBIT_MODULE_OUTPUT_DIR)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${ORBIT_MODULE_OUTPUT_DIR}")
  endif()
endfunction()

# orbit_add_actor_test(NAME MODULE bank SOURCES bank_test.cpp [LIBRARIES lib...] [LINKED])
#
# A program that tests the actors of a module of this project on the test kit's node. It can call them through their proxies and
# finds the module's file in ORBIT_TEST_MODULE. LINKED: the module's sources are compiled into the program too, so that tests see
# their classes; `orbit_plugin()` is then the module's descriptor. Say add_test(NAME ... COMMAND NAME) afterwards.
function(orbit_add_actor_test name)
  cmake_parse_arguments(arg "LINKED" "MODULE" "SOURCES;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_MODULE OR NOT arg_SOURCES)
    message(FATAL_ERROR
      "orbit_add_actor_test(${name}): needs MODULE and SOURCES; unknown arguments '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  add_executable(${name} ${arg_SOURCES})
  if(arg_LINKED)
    get_target_property(sources ${arg_MODULE} SOURCES)
    get_target_property(source_dir ${arg_MODULE} SOURCE_DIR)
    foreach(source IN LISTS sources)
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${source_dir}")
      target_sources(${name} PRIVATE "${source}")
    endforeach()
    target_include_directories(${name} PRIVATE "${source_dir}")
  endif()
  target_link_libraries(${name} PRIVATE ${arg_MODULE}_actors Orbit::testkit_node ${arg_LIBRARIES})
  target_compile_definitions(${name} PRIVATE "ORBIT_TEST_MODULE=\"$<TARGET_FILE:${arg_MODULE}>\"")
  add_dependencies(${name} ${arg_MODULE})
endfunction()
