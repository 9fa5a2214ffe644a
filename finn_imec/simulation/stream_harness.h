// Clock loop, stimulus, capture and AXI4-Stream checks for any number of designs in one model.
// ctypes structures in model.py mirror the layout of the *Run structures.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

class VerilatedContext;
#if VM_TRACE_FST
class VerilatedFstC;
using TraceFile = VerilatedFstC;
// A failed check of the FST writer, such as a full disk, must end the simulation, not the process.
#if __has_include("fstcpp/fstcpp_assertion.h")
#include <stdexcept>

#include "fstcpp/fstcpp_assertion.h"
#undef FST_CHECK
#undef FST_CHECK_EQ
#undef FST_CHECK_NE
#undef FST_CHECK_GT
#undef FST_CHECK_GE
#undef FST_CHECK_LT
#undef FST_CHECK_LE
#define FST_CHECK(a) \
    if (!(a)) throw std::runtime_error("the FST writer found that " #a " does not hold")
#define FST_CHECK_EQ(a, b) FST_CHECK((a) == (b))
#define FST_CHECK_NE(a, b) FST_CHECK((a) != (b))
#define FST_CHECK_GT(a, b) FST_CHECK((a) > (b))
#define FST_CHECK_GE(a, b) FST_CHECK((a) >= (b))
#define FST_CHECK_LT(a, b) FST_CHECK((a) < (b))
#define FST_CHECK_LE(a, b) FST_CHECK((a) <= (b))
#endif
#else
class VerilatedVcdC;
using TraceFile = VerilatedVcdC;
#endif

// Pins of one stream, as Verilator stores them: little-endian bytes, unused top bits zero.
struct StreamPins {
    uint8_t* tdata;
    uint8_t* tvalid;
    uint8_t* tready;
    uint64_t bits;
};

struct DesignPins {
    uint8_t* rst_n;
    std::vector<StreamPins> inputs;
    std::vector<StreamPins> outputs;
    uint64_t n_probes;
    uint8_t* probe_tvalid;  // one bit per probe
    uint8_t* probe_tready;
};

// The Verilated model behind an interface, so that this harness is compiled once for all models.
struct Model {
    uint8_t* clk = nullptr;
    std::vector<DesignPins> designs;
    virtual ~Model() = default;
    virtual void eval() = 0;
    virtual void trace(TraceFile& file) = 0;
};

std::unique_ptr<Model> make_model(VerilatedContext& context);

// Receives what a design prints with $display, $error and the like: VL_PRINTF of verilated.h.
int harness_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));

extern "C" {

enum StallKind : uint64_t {
    STALL_NONE = 0,
    STALL_RANDOM = 1,       // closed with probability a / 2^32
    STALL_DUTY = 2,         // open in the first a of every b cycles
    STALL_PERIOD = 3,       // handshakes at least a cycles apart
    STALL_PAUSE = 4,        // once, before word a, closed for b cycles
    STALL_AFTER_VALID = 5,  // consumer only: TREADY in the cycle after TVALID was seen
};

enum Rule : uint64_t {
    RULE_RESET = 0,       // TVALID high during reset or in the first cycle after it
    RULE_WITHDRAWN = 1,   // TVALID went low without a handshake
    RULE_CHANGED = 2,     // TDATA changed while TVALID waited for TREADY
};

enum Status : uint64_t { RUNNING = 0, COMPLETE = 1, DEADLOCK = 2, OUT_OF_CYCLES = 3 };

struct StreamRun {
    uint8_t* words;      // input: the words to send; output: space for n_words per segment
    int64_t* cycles;     // cycle of each handshake, space for n_words per segment
    uint64_t* moved;     // words moved, per segment
    uint64_t n_words;
    uint64_t restart;    // input: the word at which each segment after the first begins
    uint64_t stall_kind;
    uint64_t stall_a;
    uint64_t stall_b;
    uint64_t seed;
    uint64_t extra;      // result: output words beyond n_words after the last reset
    uint64_t stuck;      // result: whether a deadlock waits for this stream
};

struct ProbeRun {
    int64_t drained_by;  // index of the probe on the stream that empties what this one fills, or -1
    uint64_t words;      // results
    int64_t first;
    int64_t last;
    uint64_t blocked;
    uint64_t starved;
    uint64_t peak;
    uint64_t valid;
    uint64_t ready;
};

struct Violation {
    uint64_t output;
    uint64_t rule;
    uint64_t segment;
    int64_t cycle;
};

struct DesignRun {
    StreamRun* inputs;
    StreamRun* outputs;
    ProbeRun* probes;
    int64_t* reset_at;
    uint64_t n_resets;
    int64_t reset_cycles;
    uint64_t timeout;
    uint64_t drain;
    int64_t max_cycles;
    Violation* violations;
    uint64_t max_violations;
    uint64_t n_violations;  // result, may exceed max_violations
    uint64_t status;        // result
};

void* sim_open(DesignRun* designs, uint64_t seed, const char* waves, uint64_t waves_from,
               uint64_t waves_to, char* error, uint64_t size);
int sim_advance(void* sim, uint64_t cycles, char* error, uint64_t size);
uint64_t sim_cycles(void* sim);
void sim_close(void* sim);
}
