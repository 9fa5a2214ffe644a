# C simulation, synthesis and co-simulation of imec_example in Vitis HLS. In this folder:
#
#   vitis_hls -f imec_example.tcl                       (2024.1 and older)
#   vitis-run --mode hls --tcl imec_example.tcl         (2024.2 and newer)
#
# Environment: IMEC_PART (default xc7z020clg400-1), IMEC_CLOCK in ns (default 5).
set folder [file dirname [file normalize [info script]]]
set part  [expr {[info exists ::env(IMEC_PART)]?  $::env(IMEC_PART)  : "xc7z020clg400-1"}]
set clock [expr {[info exists ::env(IMEC_CLOCK)]? $::env(IMEC_CLOCK) : 5}]

open_project -reset project_imec_example
add_files [file join $folder imec_example.cpp] -cflags "-std=c++14"
add_files -tb [file join $folder imec_tb.cpp] -cflags "-std=c++14 -Wno-unknown-pragmas"
set_top imec_example
open_solution -reset sol1
set_part $part
create_clock -period $clock -name default
config_compile -pipeline_style flp

csim_design
csynth_design
cosim_design
exit 0
