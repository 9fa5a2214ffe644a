# Stands in for `vivado -mode batch -source SCRIPT`, so that FINN's CreateStitchedIP runs without it.
#
# Knows the commands that script uses; any other one stops it, as does whatever Vivado would refuse:
# a file, repository, module, parameter, pin or interface that does not exist, a module reference that
# is not Verilog, streams whose widths differ or that no clock is associated with, a second connection,
# and, in validate_bd_design, a clock, reset or stream that was left open.
# make_wrapper writes the whole block design as one Verilog netlist, which a simulator can run.
#
# Objects are "kind:path", in which the kind says by which get_bd_*s command they are found.

proc fail {message} { error "vivado_stub: $message" }

# State; the script has the global namespace to itself.
namespace eval bd {
    variable files {}
    variable must_connect {}
    variable ports 0
}
namespace eval ipx {}

#---------------------------------------------------------------------------
# Verilog module headers

# Text between the parenthesis at `start` and its partner, and the index behind that.
proc parenthesized {text start} {
    set depth 0
    for {set i $start} {$i < [string length $text]} {incr i} {
        switch -- [string index $text $i] {
            "(" { incr depth }
            ")" { if {[incr depth -1] == 0} { return [list [string range $text $start+1 $i-1] [expr {$i + 1}]] } }
        }
    }
    fail "unbalanced parentheses"
}

# The declarations of a parameter or port list.
proc declarations {text} {
    set depth 0
    set result {}
    set part ""
    foreach c [split $text ""] {
        if {$c in {( [ \{}} { incr depth }
        if {$c in {) ] \}}} { incr depth -1 }
        if {$c eq "," && $depth == 0} {
            lappend result [string trim $part]
            set part ""
        } else {
            append part $c
        }
    }
    if {[string trim $part] ne ""} { lappend result [string trim $part] }
    return $result
}

# Sets ::bd::modules(NAME) to {file parameters ports} for each module in a file; ports: name {dir range attributes}.
proc parse {file} {
    set channel [open $file]
    set text [read $channel]
    close $channel
    regsub -all {/\*.*?\*/} $text { } text
    regsub -all -line {//.*$} $text {} text
    regsub -all -line {^\s*`.*$} $text {} text
    foreach at [regexp -all -inline -indices {\mmodule\s+\w+} $text] {
        regexp {\w+$} [string range $text {*}$at] module
        set i [string first "(" $text [lindex $at 1]]
        set parameters {}
        if {[string first "#" [string range $text [lindex $at 1] $i]] >= 0} {
            lassign [parenthesized $text $i] list i
            foreach one [declarations $list] {
                if {[regexp {(\w+)\s*(?:=\s*(.*))?$} $one -> name value]} { dict set parameters $name $value }
            }
            set i [string first "(" $text $i]
        }
        set ports {}
        set dir ""
        set range ""
        foreach one [declarations [lindex [parenthesized $text $i] 0]] {
            set attributes [regexp -all -inline {\(\*.*?\*\)} $one]
            regsub -all {\(\*.*?\*\)} $one {} one
            if {[regexp {^\s*(input|output|inout)\s+(?:wire|logic|reg|uwire)?\s*(\[.*\])?\s*\w+\s*$} $one -> dir range]} {}
            regexp {(\w+)\s*$} $one -> name
            dict set ports $name [list $dir $range $attributes]
        }
        set ::bd::modules($module) [list $file $parameters $ports]
    }
}

proc tcl::mathfunc::clog2 {n} {
    for {set bits 0} {(1 << $bits) < $n} {incr bits} {}
    return $bits
}

# Value of a constant expression over parameters.
proc evaluate {expression parameters} {
    regsub -all {\$clog2} $expression {clog2} expression
    while {[regexp -indices {\m[A-Za-z_]\w*\M(?!\()} $expression at]} {
        set name [string range $expression {*}$at]
        if {![dict exists $parameters $name]} { fail "$name: no such parameter" }
        set expression [string replace $expression {*}$at "([dict get $parameters $name])"]
        regsub -all {\$clog2} $expression {clog2} expression
    }
    return [expr $expression]
}

proc width {pin} {
    lassign $::bd::pin($pin) cell dir range
    if {$range eq ""} { return 1 }
    regexp {\[(.*):(.*)\]} $range -> high low
    return [expr {[evaluate $high $::bd::parameters($cell)] - [evaluate $low $::bd::parameters($cell)] + 1}]
}

#---------------------------------------------------------------------------
# Nets: disjoint sets of pins and of interfaces

proc root {x} {
    while {[info exists ::bd::parent($x)]} { set x $::bd::parent($x) }
    return $x
}
proc merge {a b} {
    set a [root $a]
    set b [root $b]
    if {$a ne $b} { set ::bd::parent($b) $a }
}
# All members of each set of at least two objects of a kind, by root.
proc nets {kinds} {
    set result {}
    foreach x [array names ::bd::parent] {
        if {[lindex [split $x :] 0] in $kinds} {
            dict set result [root $x] $x 1
            dict set result [root $x] [root $x] 1
        }
    }
    return $result
}

#---------------------------------------------------------------------------
# Objects

proc object {kind path} {
    set path [string trimleft $path /]
    foreach {id name} [array get ::bd::name $kind:*] {
        if {$name eq $path} { return $id }
    }
    fail "no $kind $path"
}
proc new {kind path} {
    set path [string trimleft $path /]
    if {[info exists ::bd::name($kind:$path)]} { fail "$kind $path exists" }
    set ::bd::name($kind:$path) $path
    return $kind:$path
}
foreach kind {cell pin port intf_pin} {
    proc get_bd_${kind}s path "object $kind \$path"
}
proc get_bd_intf_ports {args} {
    if {[lindex $args 0] ne "-filter"} { return [object intf_port [lindex $args 0]] }
    if {[lindex $args 1] ne "CONFIG.PROTOCOL==AXI4LITE"} { fail "filter $args" }
    set result {}
    foreach port [array names ::bd::name intf_port:*] {
        if {[dict exists $::bd::signals($port) AWADDR]} { lappend result $port }
    }
    return $result
}

#---------------------------------------------------------------------------
# Project

proc create_project {name folder -part part} {
    set ::bd::sources [file join $folder $name.srcs sources_1]
}
foreach name {current_project current_fileset ipx::current_core} { proc $name {} "return fixed:$name" }
proc set_msg_config {args} {}
proc update_ip_catalog {} {}
proc save_bd_design {} {}
proc assign_bd_address {} {}
proc add_files {-norecurse files} {
    foreach file $files {
        if {![file isfile $file]} { fail "add_files: no file $file" }
        if {$file ni $::bd::files} {
            lappend ::bd::files $file
            parse $file
        }
    }
}
proc create_bd_design {name} { set ::bd::design $name }
proc get_files {args} {
    if {[lindex $args 0] eq "-filter"} { return $::bd::files }
    return $args
}

#---------------------------------------------------------------------------
# Block design

proc create_bd_cell {-type type args} {
    set cell [new cell [lindex $args end]]
    set path $::bd::name($cell)
    set ::bd::module($cell) ""
    set ::bd::parameters($cell) {}
    if {$type eq "hier" && [llength $args] == 1} return
    if {$type ni {module hier} || [llength $args] != 3 || [lindex $args 0] ne "-reference"} {
        fail "create_bd_cell -type $type $args"
    }
    set module [lindex $args 1]
    if {![info exists ::bd::modules($module)]} { fail "$path: no module $module in the files added" }
    lassign $::bd::modules($module) file parameters ports
    if {[file extension $file] ne ".v"} { fail "$path: module reference to $file, which is not Verilog" }
    set ::bd::module($cell) $module
    set ::bd::parameters($cell) $parameters
    set associated {}
    set interfaces {}
    dict for {name port} $ports {
        lassign $port dir range attributes
        set pin [new pin $path/$name]
        set ::bd::pin($pin) [list $cell $dir $range]
        if {[regexp {signal:clock|POLARITY} $attributes] || $name in {ap_clk ap_rst_n}} { lappend ::bd::must_connect $pin }
        foreach list [regexp -all -inline {ASSOCIATED_BUSIF\s+[\w:]+} $attributes] {
            lappend associated {*}[split [lindex $list 1] :]
        }
        if {[regexp -nocase {^(\w+)_(T(?:DATA|VALID|READY|LAST|KEEP|USER)|(?:AW|AR)(?:ADDR|VALID|READY|PROT)|W(?:DATA|STRB|VALID|READY)|[BR](?:RESP|VALID|READY)|RDATA)$} $name -> interface signal]} {
            dict set interfaces $interface [string toupper $signal] $pin
        }
    }
    dict for {name signals} $interfaces {
        set interface [new intf_pin $path/$name]
        set ::bd::signals($interface) $signals
        if {![dict exists $signals TVALID]} continue
        foreach {signal same} {TDATA 1 TREADY 0} {
            if {![dict exists $signals $signal]} { fail "$path/$name has no $signal" }
            set dir [direction [dict get $signals $signal]]
            if {($dir eq [direction [dict get $signals TVALID]]) != $same} { fail "$path/$name $signal: an $dir" }
        }
        lappend ::bd::must_connect $interface
        if {$name ni $associated} { fail "$path/$name: no clock names it in its ASSOCIATED_BUSIF" }
    }
    foreach name $associated {
        if {![dict exists $interfaces $name]} { fail "$path: ASSOCIATED_BUSIF names $name, no interface of $module" }
    }
}
proc create_bd_pin {args} { set ::bd::pin([new pin [lindex $args end]]) {"" hier ""} }
proc create_bd_intf_pin {args} { set ::bd::signals([new intf_pin [lindex $args end]]) {} }

proc direction {pin} { return [lindex $::bd::pin($pin) 1] }
proc is_master {interface} {
    set signal [expr {[dict exists $::bd::signals($interface) TVALID]? "TVALID" : "AWVALID"}]
    return [expr {[direction [dict get $::bd::signals($interface) $signal]] eq "output"}]
}

proc connect_bd_net {a b} { merge $a $b }
proc connect_bd_intf_net {a b} { merge $a $b }
# A port has a number in its place of a path, because a name is free again once a port is renamed.
proc new_port {kind name} {
    set port $kind:[incr bd::ports]
    for {set i 0} {![catch { object $kind ${name}_$i }]} {incr i} {}
    set ::bd::name($port) ${name}_$i
    return $port
}
proc make_bd_pins_external {pin} {
    set port [new_port port [file tail $::bd::name($pin)]]
    merge $port $pin
}
proc make_bd_intf_pins_external {pin} {
    set port [new_port intf_port [file tail $::bd::name($pin)]]
    set ::bd::signals($port) $::bd::signals($pin)
    merge $port $pin
}
# Interface nets for the address map: a net is the root of its members.
proc get_bd_intf_nets {-boundary_type lower -of object} { return [root $object] }
proc get_bd_intf_pins {args} {
    if {[lindex $args 0] ne "-of"} { return [object intf_pin [lindex $args 0]] }
    return [dict keys [dict get [nets {intf_pin intf_port}] [lindex $args 1]]]
}

proc set_property {args} {
    if {[lindex $args 0] eq "-dict"} {
        foreach {property value} [lindex $args 1] { set_property $property $value [lindex $args 2] }
        return
    }
    lassign $args property value object
    set kind [lindex [split $object :] 0]
    switch -glob -- "$kind $property" {
        "port name" - "intf_port name" {
            foreach {id name} [array get ::bd::name $kind:*] {
                if {$name eq $value && $id ne $object} { fail "$kind $value exists" }
            }
            set ::bd::name($object) $value
        }
        "cell CONFIG.*" {
            set parameter [string range $property 7 end]
            if {![dict exists $::bd::parameters($object) $parameter]} {
                fail "$object: module $::bd::module($object) has no parameter $parameter"
            }
            dict set ::bd::parameters($object) $parameter $value
        }
        "port CONFIG.FREQ_HZ" {}
        "fixed ip_repo_paths" {
            foreach folder $value { if {![file isdirectory $folder]} { fail "ip_repo_paths: no folder $folder" } }
        }
        "fixed top" { if {$value ne "${::bd::design}_wrapper"} { fail "top $value" } }
        "fixed ipi_drc" - "ipx *" {}
        default { fail "set_property $args" }
    }
}
proc get_property {property object} {
    switch -- $property {
        NAME { return $::bd::name($object) }
        CONFIG.ADDR_WIDTH {
            if {![dict exists $::bd::signals($object) AWADDR]} { return "" }
            return [width [dict get $::bd::signals($object) AWADDR]]
        }
    }
    fail "get_property $property $object"
}

# Pins of connected interfaces, merged signal by signal.
proc validate_bd_design {} {
    set interface_nets [nets {intf_pin intf_port}]
    set connected {}
    foreach net [list {*}[dict values $interface_nets] {*}[dict values [nets {pin port}]]] {
        lappend connected {*}[dict keys $net]
    }
    foreach object $::bd::must_connect {
        if {$object ni $connected} { fail "$object is not connected" }
    }
    dict for {id members} $interface_nets {
        set ends {}
        set port 0
        foreach member [dict keys $members] {
            if {[string match intf_port:* $member]} {
                incr port
            } elseif {$::bd::signals($member) ne ""} {
                lappend ends $member
            }
        }
        if {[llength $ends] + $port != 2} { fail "$id connects [llength $ends] ends and $port ports: $ends" }
        if {$port} continue
        lassign $ends a b
        if {[is_master $a] == [is_master $b]} { fail "$a and $b: neither or both are masters" }
        foreach name [list {*}[dict keys $::bd::signals($a)] {*}[dict keys $::bd::signals($b)]] {
            foreach end $ends {
                if {![dict exists $::bd::signals($end) $name]} { fail "$end has no $name" }
            }
            set from [dict get $::bd::signals($a) $name]
            set to [dict get $::bd::signals($b) $name]
            if {[width $from] != [width $to]} { fail "$a $name: [width $from] bits, $b: [width $to] bits" }
            merge $from $to
        }
    }
    foreach {interface signals} [array get ::bd::signals] {
        if {[dict exists $signals TDATA] && [width [dict get $signals TDATA]] % 8} { fail "$interface TDATA: no whole bytes" }
    }
    dict for {id members} [nets {pin port}] {
        set drivers {}
        foreach pin [dict keys $members] {
            if {[string match pin:* $pin] && [direction $pin] eq "output"} { lappend drivers $pin }
        }
        if {[llength $drivers] > 1} { fail "several drivers on one net: $drivers" }
    }
}

#---------------------------------------------------------------------------
# Netlist

proc make_wrapper {-files files -top} {
    set folder [file join $::bd::sources bd $::bd::design hdl]
    if {$files ne [file join $::bd::sources bd $::bd::design $::bd::design.bd]} { fail "make_wrapper: no block design $files" }
    set ports {}
    set wires {}
    foreach {object name} [array get ::bd::name port:*] {
        lappend ports "input $name"
        set net([root $object]) $name
    }
    foreach {object name} [array get ::bd::name intf_port:*] {
        dict for {signal pin} $::bd::signals($object) {
            lappend ports "[direction $pin] \[[expr {[width $pin] - 1}]:0\] ${name}_$signal"
            set net([root $pin]) ${name}_$signal
        }
    }
    set cells ""
    foreach cell [lsort [array names ::bd::name cell:*]] {
        if {$::bd::module($cell) eq ""} continue
        set connections {}
        foreach name [dict keys [lindex $::bd::modules($::bd::module($cell)) 2]] {
            set pin pin:$::bd::name($cell)/$name
            set id [root $pin]
            if {![info exists net($id)]} {
                set net($id) net[array size net]
                append wires "\twire \[[expr {[width $pin] - 1}]:0\] $net($id)[expr {[driven $pin]? "" : " = 0"}];\n"
            }
            lappend connections ".${name}($net($id))"
        }
        set overrides {}
        dict for {name value} $::bd::parameters($cell) {
            if {[dict get [lindex $::bd::modules($::bd::module($cell)) 1] $name] ne $value} { lappend overrides ".${name}($value)" }
        }
        append cells "\t$::bd::module($cell) "
        if {$overrides ne ""} { append cells "#([join $overrides {, }]) " }
        append cells "[string map {/ _} $::bd::name($cell)]_i(\n\t\t[join $connections ",\n\t\t"]\n\t);\n"
    }
    file mkdir $folder
    set channel [open [file join $folder ${::bd::design}_wrapper.v] w]
    puts $channel "module ${::bd::design}_wrapper(\n\t[join $ports ",\n\t"]\n);\n$wires$cells\nendmodule"
    close $channel
}
proc driven {pin} {
    if {[direction $pin] eq "output"} { return 1 }
    set id [root $pin]
    foreach other [array names ::bd::pin] {
        if {[root $other] eq $id && [direction $other] eq "output"} { return 1 }
    }
    return 0
}

#---------------------------------------------------------------------------
# IP packager: accepted, and the files that the script goes on with

proc ipx::package_project {args} { set ::bd::ip [dict get [lrange $args 0 end-1] -root_dir]; file mkdir $::bd::ip }
proc ipx::save_core {core} {
    set channel [open [file join $::bd::ip component.xml] w]
    puts $channel "<spirit:component/>"
    close $channel
}
foreach name {
    find_open_core create_xgui_files get_bus_parameters get_bus_interfaces add_file_group add_file
    get_file_groups add_address_block add_memory_map update_checksums remove_segment get_address_spaces
} { proc ipx::$name {args} "return ipx:$name" }
proc ipx::get_files {args} {}

if {[llength $argv] != 4 || [lrange $argv 0 2] ne {-mode batch -source}} { fail "called with $argv" }
if {[catch { source [lindex $argv 3] } message options]} {
    set log [open vivado.log w]
    puts $log "ERROR: $message"
    close $log
    puts stderr [dict get $options -errorinfo]
    exit 1
}
