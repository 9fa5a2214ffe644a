# Stands in for `vivado -mode batch ... -source run.tcl` of `finn-imec vivado`.
#
# Knows the commands of that script, and that they come in this order; any other one stops it, as does what Vivado
# would refuse: a file that is not there, a top that no file has, a memory file that no read_mem has named. A report
# is a copy of $env(VIVADO_REPORTS)/TOP.rpt of its kind. $env(VIVADO_FAILS): a command that fails on imecconv.

proc fail {message} { error "\[Stub 1-1\] $message" }
proc existing {name} { if {![file isfile $name]} { fail "no file $name in [pwd]" } }
proc after_step {step before} {
    if {$::step ne $before} { fail "$step after '$::step'" }
    set ::step $step
    if {[info exists ::env(VIVADO_FAILS)] && $::env(VIVADO_FAILS) eq $step && $::top eq "imecconv"} { fail "$step fails" }
}
set step ""
set top ""
set text ""
set memories {}

proc create_project {-in_memory -part part} {
    after_step create_project ""
    set ::part $part
}
proc set_msg_config {-id id -new_severity severity} {}
proc read_verilog {args} {
    set name [lindex $args end]
    existing $name
    if {([file extension $name] eq ".sv") != ([lindex $args 0] eq "-sv")} { fail "$args" }
    set channel [open $name]
    append ::text [read $channel]
    close $channel
}
proc read_mem {name} { existing $name; lappend ::memories $name }
proc read_xdc {-mode mode name} { existing $name; source $name }
proc create_clock {-period period -name name port} {
    if {$period <= 0 || ![regexp "input\\s+(?:logic\\s+)?$port\\M" $::text]} { fail "clock of $period ns on $port" }
}
proc get_ports {name} { return $name }
proc synth_design {-mode mode -part part -top top} {
    set ::top $top
    after_step synth_design create_project
    if {$mode ne "out_of_context" || $part ne $::part} { fail "$mode, $part" }
    if {![regexp "\\mmodule $top\\M" $::text]} { fail "no module $top" }
    foreach {quoted name} [regexp -all -inline {"([^"]*\.dat)"} $::text] {
        if {![string match "*%*" $name] && $name ni $::memories} { fail "could not open \$readmem data file '$name'" }
    }
}
proc opt_design {} { after_step opt_design synth_design }
proc place_design {} { after_step place_design opt_design }
proc route_design {} { after_step route_design place_design }
proc report {kind name} {
    if {$::step ne "route_design"} { fail "report after $::step" }
    file copy $::env(VIVADO_REPORTS)/$::top.$kind.rpt $name
}
proc report_utilization {-file name} { report utilization $name }
proc report_timing_summary {-file name} { report timing $name }

if {[lrange $argv 0 1] ne {-mode batch} || [lindex $argv end-1] ne "-source"} { fail "called with $argv" }
if {[catch { source [lindex $argv end] } message]} {
    puts "some line before"
    puts "ERROR: $message"
    exit 1
}
