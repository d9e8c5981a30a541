/* keyboard.c - commands of an 8042 without keyboard and mouse. */
#include "keyboard.h"

#include <string.h>

#define PORT_DATA   0x60u
#define PORT_STATUS 0x64u
#define PORT_FAST   0x92u

#define STATUS_ANSWER   0x01u
#define STATUS_SYSTEM   0x04u /* it has passed its test */
#define STATUS_COMMAND  0x08u
#define STATUS_UNLOCKED 0x10u

#define READ_CONFIG   0x20u
#define WRITE_CONFIG  0x60u
#define DISABLE_MOUSE 0xa7u
#define ENABLE_MOUSE  0xa8u
#define TEST_MOUSE    0xa9u
#define TEST          0xaau
#define TEST_KEYBOARD 0xabu
#define DISABLE       0xadu
#define ENABLE        0xaeu
#define READ_OUTPUT   0xd0u
#define WRITE_OUTPUT  0xd1u
#define WRITE_ANSWER  0xd2u
#define WRITE_MOUSE   0xd3u
#define SEND_MOUSE    0xd4u
#define PULSE         0xf0u /* to 0xff: bits that are 0 go low */

#define CONFIG_SYSTEM   0x04u
#define CONFIG_NO_KEYS  0x10u
#define CONFIG_NO_MOUSE 0x20u
#define TEST_PASSED     0x55u
#define LINE_STUCK      0x01u /* the clock line: nobody is there */
#define OUTPUT_RUNNING  0x01u /* else the processor is held in reset */
#define OUTPUT_A20      0x02u
#define FAST_RESET      0x01u

static void keyboard_answer(struct keyboard *k, uint8_t byte)
{
    k->answer = byte;
    k->has_answer = true;
}

static void keyboard_set_output(struct keyboard *k, uint8_t value)
{
    k->output_port = value | OUTPUT_RUNNING;
    if ((value & OUTPUT_RUNNING) == 0) {
        k->reset(k->context);
    }
}

static void keyboard_command(struct keyboard *k, uint8_t command)
{
    k->command = 0;
    switch (command) {
    case READ_CONFIG:
        keyboard_answer(k, k->config);
        break;
    case WRITE_CONFIG:
    case WRITE_OUTPUT:
    case WRITE_ANSWER:
    case WRITE_MOUSE:
    case SEND_MOUSE:
        k->command = command;
        break;
    case DISABLE_MOUSE:
        k->config |= CONFIG_NO_MOUSE;
        break;
    case ENABLE_MOUSE:
        k->config &= (uint8_t)~CONFIG_NO_MOUSE;
        break;
    case TEST:
        k->config |= CONFIG_SYSTEM;
        keyboard_answer(k, TEST_PASSED);
        break;
    case TEST_KEYBOARD:
    case TEST_MOUSE:
        keyboard_answer(k, LINE_STUCK);
        break;
    case DISABLE:
        k->config |= CONFIG_NO_KEYS;
        break;
    case ENABLE:
        k->config &= (uint8_t)~CONFIG_NO_KEYS;
        break;
    case READ_OUTPUT:
        keyboard_answer(k, k->output_port);
        break;
    default:
        if (command >= PULSE && (command & OUTPUT_RUNNING) == 0) {
            k->reset(k->context);
        }
        break;
    }
}

/* The byte behind a command, or one for a keyboard that is not there. */
static void keyboard_data(struct keyboard *k, uint8_t value)
{
    switch (k->command) {
    case WRITE_CONFIG:
        k->config = value;
        break;
    case WRITE_OUTPUT:
        keyboard_set_output(k, value);
        break;
    case WRITE_ANSWER:
    case WRITE_MOUSE:
        keyboard_answer(k, value);
        break;
    }
    k->command = 0;
}

static uint64_t keyboard_read_data(void *device, uint64_t offset, unsigned size)
{
    struct keyboard *k = device;

    (void)offset;
    (void)size;
    k->has_answer = false;
    return k->answer;
}

static void keyboard_write_data(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct keyboard *k = device;

    (void)offset;
    (void)size;
    k->is_command = false;
    keyboard_data(k, (uint8_t)value);
}

static uint64_t keyboard_read_status(void *device, uint64_t offset, unsigned size)
{
    const struct keyboard *k = device;

    (void)offset;
    (void)size;
    return STATUS_UNLOCKED | (k->has_answer ? STATUS_ANSWER : 0) |
           ((k->config & CONFIG_SYSTEM) != 0 ? STATUS_SYSTEM : 0) |
           (k->is_command ? STATUS_COMMAND : 0);
}

static void keyboard_write_command(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct keyboard *k = device;

    (void)offset;
    (void)size;
    k->is_command = true;
    keyboard_command(k, (uint8_t)value);
}

static uint64_t keyboard_read_fast(void *device, uint64_t offset, unsigned size)
{
    const struct keyboard *k = device;

    (void)offset;
    (void)size;
    return k->output_port & OUTPUT_A20;
}

static void keyboard_write_fast(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct keyboard *k = device;

    (void)offset;
    (void)size;
    k->output_port = (uint8_t)((k->output_port & ~OUTPUT_A20) | (value & OUTPUT_A20));
    if ((value & FAST_RESET) != 0) {
        k->reset(k->context);
    }
}

bool keyboard_init(struct keyboard *k, struct bus *ports, void (*reset)(void *context),
                   void *context)
{
    struct bus_range data = {PORT_DATA, 1, keyboard_read_data, keyboard_write_data, k};
    struct bus_range status = {PORT_STATUS, 1, keyboard_read_status, keyboard_write_command, k};
    struct bus_range fast = {PORT_FAST, 1, keyboard_read_fast, keyboard_write_fast, k};

    memset(k, 0, sizeof(*k));
    k->reset = reset;
    k->context = context;
    k->output_port = OUTPUT_RUNNING | OUTPUT_A20;
    k->config = CONFIG_NO_KEYS | CONFIG_NO_MOUSE;
    return bus_insert(ports, &data) && bus_insert(ports, &status) && bus_insert(ports, &fast);
}
